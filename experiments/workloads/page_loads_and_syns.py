"""Page loads while somebody sends made-up SYNs to a server's unique address: whoever knows it, or guesses (section VI).

They leave by the client's own link, from an address of their own. The point's captures leave them out: the generator
itself counts them, and what comes back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Annotated, Any

from pydantic import Field

from experiments.record import write, write_list
from experiments.workloads.base import Scene
from experiments.workloads.page_loads import PageLoads
from testbed.base.families import family_of
from testbed.base.parts import Complaint
from testbed.base.quantities import MAX_SERVERS, Duration
from testbed.base.table import Table
from testbed.net.counters import half_open
from testbed.record import syns as record
from testbed.record.syns import HALF_OPEN, Requests
from testbed.sampler import Action
from testbed.tools import syn_generator
from topologies import addresses
from topologies.base import Topology
from topologies.layout import Layout, ServerPlace

MOST_SENDINGS, MOST_SYNS, MOST_PER_SECOND, MOST_COPIES = 50, 16_000_000, 10_000_000, 10
_SECONDS_PER_SYN = 40e-6
_LOOK_S = 0.25


class Sending(Table):
    """So many SYNs of a kind."""

    kind: record.Kind = Field(
        description="`plain` (no MPTCP option), `capable` (MP_CAPABLE), `join` (MP_JOIN with a random token), `guess` "
        "(the same to the address of the last join that the client itself has sent), `replay` (with its token, too), "
        "`malformed-join` (an MP_JOIN of a wrong length), `capable-and-join` (MP_CAPABLE and MP_JOIN)."
    )
    count: Annotated[int, Field(ge=1, le=MOST_SYNS)] = Field(description="How many SYNs.")
    per_second: Annotated[int, Field(ge=1, le=MOST_PER_SECOND)] = Field(default=1000, description="How many a second.")
    at_s: Duration = Field(default=0.0, alias="at", description="When the first one is sent, after the start.")
    server: Annotated[int, Field(ge=1, le=MAX_SERVERS)] = Field(default=1, description="To which server, from 1.")
    anywhere: bool = Field(
        default=False, description="Whether they go to random addresses of the server's /64, not to its unique one."
    )
    copies: Annotated[int, Field(ge=1, le=MOST_COPIES)] = Field(
        default=1, description="How often each is sent: the later ones in reverse order, up to 64 at a time."
    )
    orders: bool = Field(
        default=False, description="Whether the TCP options of each are in a random order, with NOPs in between."
    )

    @property
    def sent_by_s(self) -> float:
        """When the last one is sent, at the latest."""
        return self.at_s + self.count / self.per_second


class HalfOpen:
    """How many connections, and subflows, servers have answered and wait for: looked at now and then."""

    def __init__(self, scene: Scene) -> None:
        self._servers = scene.servers
        self._most = dict.fromkeys(scene.servers, 0)

    def action(self) -> Action:
        """Look, and again and again."""
        return Action(_LOOK_S, self._look, _LOOK_S)

    def record(self) -> Requests:
        """The most that there were at a time."""
        return Requests(most=self._most)

    def _look(self) -> None:
        for name, node in self._servers.items():
            self._most[name] = max(self._most[name], half_open(node))


class PageLoadsAndSyns(PageLoads):
    """Page loads, and at the same time made-up SYNs to servers' unique addresses, which nobody ever follows up."""

    needs = PageLoads.needs | syn_generator.NEEDS

    syns: Annotated[tuple[Sending, ...], Field(strict=False, min_length=1, max_length=MOST_SENDINGS)] = Field(
        description='What is sent, such as `{ kind = "plain", count = 1000 }`.'
    )

    def features(self) -> frozenset[Any]:
        """Those of page loads, and what makes up SYNs."""
        return super().features() | syn_generator.NEEDS

    def parameters(self) -> dict[str, Any]:
        """Of what is sent a line."""
        sent = ", ".join(f"{each.count} {each.kind}" for each in self.syns)
        return {**{name: value for name, value in super().parameters().items() if name != "syns"}, "syns": sent}

    def left_out(self, layout: Layout) -> tuple[str, ...]:
        """The addresses that SYNs are sent from."""
        return tuple(dict.fromkeys(_stranger(layout, place) for place in self._targets(layout)))

    def busy_s(self, topology: Topology, protocol: str, object_bytes: int) -> float:
        """That of the page loads, and so much for each SYN."""
        frames = sum(each.count * each.copies for each in self.syns)
        return super().busy_s(topology, protocol, object_bytes) + frames * _SECONDS_PER_SYN

    def transfer_s(self, topology: Topology, object_bytes: int) -> float:
        """That of the page loads after all SYNs."""
        return super().transfer_s(topology, object_bytes) + max(each.sent_by_s for each in self.syns)

    def check(self, topology: Topology) -> Iterator[Complaint]:
        """Besides: each server that is sent something is there, and its address is one of the kind."""
        yield from super().check(topology)
        for each in self.syns:
            if each.server > topology.servers:
                yield Complaint("syns", f"server {each.server} is sent SYNs, of {topology.servers}")
            if each.anywhere and topology.families.unique == "ipv4":
                what = "random addresses of a server's /64 are of IPv6, and its unique address is of IPv4"
                yield Complaint("syns", what, 'topology.family = "ipv6"')

    def drive(self, scene: Scene) -> None:
        """Load the pages while the SYNs are sent, to the end of both; raises as page loads do, and `CommandError`."""
        work = scene.file.parents[1]
        program = syn_generator.build(work, scene.log)
        with ExitStack() as stack:
            places: dict[str, syn_generator.Stranger] = {}
            sendings = []
            for number, each in enumerate(self.syns):
                place = scene.layout.servers[each.server - 1]
                address = _stranger(scene.layout, place)
                if address not in places:
                    found = syn_generator.stranger(scene.client, place.unique, address, scene.log)
                    places[address] = stack.enter_context(found)
                sendings.append((places[address], _syns(each, place, number, scene)))
            running = []
            for number, (origin, syns) in enumerate(sendings):
                out = work / f"syns-{number}"
                process = syn_generator.start(program, scene.client, origin, syns, number, out, scene.log)
                running.append((stack.enter_context(process), syns, out))
            half_open = HalfOpen(scene)
            super().drive(replace(scene, actions=[*scene.actions, half_open.action()]))
            tallies = [syn_generator.tally(process, syns, out) for process, syns, out in running]
        write_list(scene.out / record.FILE, tallies)
        write(scene.out / HALF_OPEN, half_open.record())

    def _targets(self, layout: Layout) -> Iterator[ServerPlace]:
        for each in self.syns:
            yield layout.servers[each.server - 1]


def _syns(each: Sending, place: ServerPlace, number: int, scene: Scene) -> syn_generator.Syns:
    network = scene.networks.get(place.name) if each.anywhere else None
    return syn_generator.Syns(
        kind=each.kind,
        target=str(ip_network(network).network_address) if network else place.unique,
        port=scene.layout.port,
        count=each.count,
        per_second=each.per_second,
        delay_s=each.at_s,
        seed=(scene.seed << 8) + number & (1 << 64) - 1,
        copies=each.copies,
        orders=each.orders,
        anywhere=each.anywhere,
    )


def _stranger(layout: Layout, place: ServerPlace) -> str:
    """From where a server's unique address is sent SYNs: the client's network that it is in, or else the first one."""
    family = family_of(place.unique)
    mine = [addresses.network_of(each) for each in layout.client_addresses if family_of(each) == family]
    near = [each for each in mine if ip_address(place.unique) in ip_network(each)]
    return syn_generator.address_in((near or mine)[0])
