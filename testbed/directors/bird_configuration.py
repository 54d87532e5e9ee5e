"""What BIRD is told on each node of a routed network: OSPF over the links, who announces the service, who is preferred.

Pure text. What may change while it runs is in files of its own, which the configuration includes: the cost of a link,
whether the node announces the service, which neighbour it prefers for it. Source: BIRD's user guide, version 2.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from topologies.layout import LinkEnd

_CONFIG = """\
log stderr all;
router id {router_id};
{costs}
protocol device {{ }}
protocol kernel {{ ipv4 {{ import none; export {to_kernel}; }}; }}
{bfd}
protocol ospf v2 fabric {{
  ipv4 {{ import all; export none; }};
  area 0 {{
{stub}
{interfaces}
  }};
}}
{routes}
"""
_INTERFACE = """\
    interface "{interface}" {{ type ptp; cost {cost}; hello {hello}; dead {dead};{bfd} }};
"""
_PASSIVE = """\
    interface "{interface}" {{ stub; }};
"""
_BFD = """\
protocol bfd {{ interface "*" {{ interval {interval_ms} ms; multiplier 3; }}; }}
"""
_ROUTE = """\
protocol static {name} {{
  ipv4 {{ preference {preference}; }};
  route {destination}/32 via {gateway};
}}
"""
# Above that of OSPF's routes (150): a router's own servers before others', and what it is told before all.
_OWN, _TOLD = 200, 250


@dataclass(frozen=True)
class Timers:
    """The seconds between hellos, after how many without one a neighbour is dead, and BFD's interval (None: no BFD).

    BFD gives a neighbour up after three intervals.
    """

    hello_s: int = 1
    dead_s: int = 4
    bfd_s: float | None = None


@dataclass(frozen=True)
class Speaker:
    """A node that runs OSPF: over the ends of these links with their costs, and has these further interfaces.

    `forwards`: its kernel gets the routes that are found.
    """

    node: str
    links: Mapping[LinkEnd, int]
    passive: Sequence[str] = ()
    forwards: bool = True

    @property
    def router_id(self) -> str:
        """What the others know it by: its first address."""
        return next(iter(self.links)).address


def configuration(speaker: Speaker, timers: Timers) -> str:
    """The configuration of a node, which includes the files of `state`."""
    bfd = " bfd yes;" if timers.bfd_s is not None else ""
    interfaces = [
        _INTERFACE.format(interface=end.interface, cost=_symbol(end), hello=timers.hello_s, dead=timers.dead_s, bfd=bfd)
        for end in speaker.links
    ]
    interfaces += [_PASSIVE.format(interface=each) for each in speaker.passive]
    return _CONFIG.format(
        router_id=speaker.router_id,
        to_kernel="all" if speaker.forwards else "none",
        costs="".join(f'include "{cost_file(end)}";\n' for end in speaker.links),
        stub=f'include "{ANNOUNCED.format(speaker.node)}";',
        interfaces="".join(interfaces),
        routes=f'include "{OWN.format(speaker.node)}";\ninclude "{PREFERRED.format(speaker.node)}";',
        bfd="" if timers.bfd_s is None else _BFD.format(interval_ms=round(timers.bfd_s * 1000)),
    )


ANNOUNCED, OWN, PREFERRED = "announced-{}.conf", "own-{}.conf", "preferred-{}.conf"
"""The files, by the node's name, with what it announces, with its route to its own server, with its preference."""


def cost_file(end: LinkEnd) -> str:
    """The name of the file with the cost of a link at one of its ends."""
    return f"cost-{end.interface}.conf"


def cost(end: LinkEnd, value: int) -> str:
    """The content of that file."""
    return f"define {_symbol(end)} = {value};\n"


def announced(service: str) -> str:
    """The content of `ANNOUNCED`: a stub network."""
    return f"stubnet {service}/32 {{ cost 0; }};\n"


def own_route(service: str, gateway: str) -> str:
    """The content of `OWN`: the service is at that server."""
    return _ROUTE.format(name="own_server", preference=_OWN, destination=service, gateway=gateway)


def preferred_route(service: str, gateway: str) -> str:
    """The content of `PREFERRED`: whatever OSPF says, while that neighbour's link is there."""
    return _ROUTE.format(name="told_so", preference=_TOLD, destination=service, gateway=gateway)


def _symbol(end: LinkEnd) -> str:
    return f"cost_{end.interface.replace('-', '_')}"
