"""A whole network of IPv6 at one host: each address in it is its own (AnyIP), and neighbours find their way there."""

from __future__ import annotations

import json
from typing import Any

from testbed.base.errors import ReadbackError
from testbed.base.needs import Call, kernel
from testbed.net.netns import Node, here
from testbed.process import CommandLog, run

NEED = kernel(
    "routes and rules of a whole network of IPv6",
    "CONFIG_IPV6",
    "CONFIG_IPV6_MULTIPLE_TABLES",
    purpose="an address for each connection",
    probe=(Call(function="testbed.net.any_address:probe"),),
)

_TABLE = 102


def probe() -> None:
    """Take a network, where it is thrown away."""
    own(here(), "fd00:254::/64", None, CommandLog())
    run(["ip", "-6", "route", "del", "local", "fd00:254::/64", "dev", "lo"])


def own(host: Node, network: str, way: tuple[str, str] | None, log: CommandLog) -> dict[str, Any]:
    """Make every address in `network` the host's own; returns what reads back. Raises `ReadbackError`.

    What is sent from there to another network leaves by the interface where that is, if a `way` (the interface, and
    the network) says so, and by the default route else.
    """
    run(host.enter("ip", "-6", "route", "add", "local", network, "dev", "lo"), log=log)
    found = {"local": _routes(host, network, log, "table", "local")}
    if way:
        interface, neighbours = way
        run(host.enter("ip", "-6", "route", "add", neighbours, "dev", interface, "table", str(_TABLE)), log=log)
        run(host.enter("ip", "-6", "rule", "add", "from", network, "table", str(_TABLE)), log=log)
        found["from"] = _routes(host, neighbours, log, "table", str(_TABLE))
    return found


def lead_to(neighbour: Node, network: str, host: str, log: CommandLog) -> dict[str, Any]:
    """Have a neighbour send what is for `network` to an address of the host; returns what reads back."""
    run(neighbour.enter("ip", "-6", "route", "add", network, "via", host), log=log)
    found = _routes(neighbour, network, log)
    if found.get("gateway") != host:
        raise ReadbackError(f"route to {network} of {neighbour.name}", host, found)
    return found


def _routes(node: Node, network: str, log: CommandLog, *of: str) -> dict[str, Any]:
    said = run(node.enter("ip", "-6", "-j", "route", "show", network, *of), log=log).stdout
    found = json.loads(said or "[]")
    if len(found) != 1:
        raise ReadbackError(f"routes to {network} of {node.name}", 1, found)
    return {name: value for name, value in found[0].items() if name in ("type", "dst", "dev", "gateway")}
