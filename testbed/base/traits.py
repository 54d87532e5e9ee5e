"""What a point says about itself: all that the analysis must know of it, and no name of a part.

The parts of an experiment make these when the point is planned; they stand in `point.json` as plain data. A reader who
has never heard of a part can still judge, tabulate and draw the point.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Amount = Annotated[float, Field(ge=0, le=1e18)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class Trait(BaseModel):
    """Plain data: immutable, and closed to what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Bottleneck(Trait):
    """Links on the way to the client that can be full: `rate_bps` is what all of them carry together.

    `interfaces` are endings of the client's interfaces at which that traffic arrives. `per_server_bps` is what each
    server of the pool adds, up to `rate_bps`; None where the pool does not matter. `lasting`: what a connection has to
    a server goes on when the server has left the pool, so that the rate does not change with the pool.
    """

    name: str
    interfaces: tuple[str, ...]
    rate_bps: Amount
    parallel: Count = 1
    per_server_bps: Amount | None = None
    lasting: bool = False


class Path(Trait):
    """Packets between the client and the servers that go one way, in one direction.

    Theirs is this kind of a server's `address`, and one of the client's `interfaces` (endings of names; none: any).
    `past_director`: they do not pass the director. `wire_limit_bps` is the goodput that the wire allows there.
    """

    name: str
    direction: Literal["to-client", "to-server"]
    address: Literal["service", "unique"]
    interfaces: tuple[str, ...] = ()
    past_director: bool = False
    wire_limit_bps: Amount | None = None


class Traits(Trait):
    """A point's traits.

    `service_path`: how the path to the service address is called. `paths`: where packets go; without any, the server's
    address alone tells whether they pass the director. `ends_by`: the workload ends when all its requests
    are answered, or at a time, when whatever is under way is cut off. `planned_s`: that time. `sender`: who sends the
    objects. `servers`: how many are in the pool at the start. `bottlenecks`: see there. `delivery_share`: the share of
    exchanges (a packet and its answer, over every lossy link) that lose nothing. `per_second`: the figures are those of
    each second. `requests`: so many must be complete. `must_join`: an MPTCP connection that moves much must get a
    second subflow. `limit_note`: what the wire limit of the summary leaves out, or an empty text. `picture`: the
    topology.
    """

    service_path: str = "director"
    paths: tuple[Path, ...] = ()
    ends_by: Literal["requests", "time"] = "requests"
    planned_s: Amount | None = None
    sender: Literal["server", "client"] = "server"
    servers: Count = 1
    bottlenecks: tuple[Bottleneck, ...] = ()
    delivery_share: Annotated[float, Field(ge=0, le=1)] = 1.0
    per_second: bool = False
    requests: Annotated[int, Field(ge=1)] | None = None
    must_join: bool = False
    limit_note: str = ""
    picture: str = ""
