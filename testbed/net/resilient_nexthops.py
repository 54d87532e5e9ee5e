"""A route over a resilient group of nexthops: flows keep to theirs while their bucket of the hash is busy.

Source: Documentation/networking/nexthop-group-resilient.rst of the kernel (since Linux 5.13), ip-nexthop(8). pyroute2
does not know such groups, so that `ip` speaks for them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from testbed.base.errors import ReadbackError
from testbed.base.families import family_of, whole_length
from testbed.base.needs import Call, kernel
from testbed.net import routing
from testbed.net.netns import Node, here
from testbed.process import CommandLog, run, run_lines

NEED = kernel(
    "resilient nexthop groups",
    "CONFIG_IP_ROUTE_MULTIPATH",
    purpose="a router whose flows keep to their nexthop",
    probe=(Call(function="testbed.net.resilient_nexthops:probe"),),
)

_GROUP = 1000


@dataclass(frozen=True)
class Settings:
    """How many buckets the hash has, and when one changes hands that another nexthop should have.

    It has been idle for so long, or the group unbalanced for so long (whole seconds; 0: never for that).
    """

    buckets: int
    idle_timer_s: int
    unbalanced_timer_s: int

    def words(self) -> str:
        """The same as `ip` takes it."""
        timers = f"idle_timer {self.idle_timer_s} unbalanced_timer {self.unbalanced_timer_s}"
        return f"type resilient buckets {self.buckets} {timers}"

    def listed(self) -> dict[str, int]:
        """The same as `ip` lists it."""
        timers = {"idle_timer": self.idle_timer_s, "unbalanced_timer": self.unbalanced_timer_s}
        return {"buckets": self.buckets, **timers}


def probe() -> None:
    """Lead a route over such a group, where it is thrown away."""
    routing.add_probe_link("probe-r", "10.255.3.1/24")
    known = {number: f"10.255.3.{number}" for number in (2, 3)}
    put(here(), "10.255.0.81", known, known, Settings(16, 120, 0))
    run(["ip", "link", "del", "probe-r"])


def put(
    router: Node,
    address: str,
    known: Mapping[int, str],
    members: Collection[int],
    settings: Settings,
    log: CommandLog | None = None,
) -> dict[str, Any]:
    """Route `address` over a group of some of the gateways that are `known` by their numbers, from 1.

    If there is one already, its members are replaced: their buckets stay theirs, and those of one that is no member any
    more go to others at once. Returns what reads back; raises `CommandError` and `ReadbackError`.
    """
    lines = [
        f"nexthop replace id {number} via {gateway} dev {routing.interface_towards(router, gateway)}"
        for number, gateway in known.items()
    ]
    group = "/".join(map(str, sorted(members)))
    lines.append(f"nexthop replace id {_GROUP} group {group} {settings.words()}")
    lines.append(f"route replace {address}/{whole_length(address)} nhid {_GROUP}")
    run_lines(router.enter("ip"), lines, log)
    wanted = {
        "nexthops": {number: known[number] for number in sorted(members)},
        **settings.listed(),
        "route": _GROUP,
    }
    if (found := _listed(router, address)) != wanted:
        raise ReadbackError(f"resilient nexthops of {address} on {router.name}", wanted, found)
    return found


def forget(router: Node, log: CommandLog | None = None) -> None:
    """Take the group away with its table of buckets, and the route over it."""
    run(router.enter("ip", "nexthop", "del", "id", str(_GROUP)), log=log)


def buckets(router: Node) -> dict[int, int]:
    """How many buckets each nexthop has now, by its number."""
    said = json.loads(run(router.enter("ip", "-j", "nexthop", "bucket", "show", "id", str(_GROUP))).stdout)
    return dict(Counter(int(each["bucket"]["nhid"]) for each in said))


def _listed(router: Node, address: str) -> dict[str, Any]:
    listed = json.loads(run(router.enter("ip", "-j", "-d", "nexthop", "show")).stdout)
    objects = {each["id"]: each for each in listed}
    whole = f"{address}/{whole_length(address)}"
    family = ["-6"] if family_of(address) == "ipv6" else []
    routes = json.loads(run(router.enter("ip", *family, "-j", "route", "show", whole)).stdout)
    group = objects[_GROUP]
    arguments = group["resilient_args"]
    return {
        "nexthops": {each["id"]: objects[each["id"]]["gateway"] for each in group["group"]},
        **{name: arguments[name] for name in ("buckets", "idle_timer", "unbalanced_timer")},
        "route": routes[0]["nhid"] if routes else None,
    }
