"""What a link of a topology is: a rate, the same in both directions, and the delay and the loss of each."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import AfterValidator, Field

from testbed.base.needs import Need, kernel, program
from testbed.base.quantities import Rate, Size
from testbed.base.table import Table
from topologies.directions import ByDirection, DirectedDelay, DirectedLoss, by_direction

VETH = kernel(
    "veth",
    "CONFIG_VETH",
    purpose="links",
    module="veth",
    probe=(
        ("ip", "link", "add", "probe-a", "type", "veth", "peer", "name", "probe-b"),
        ("ip", "link", "del", "probe-a"),
    ),
)
BRIDGE = kernel(
    "bridge",
    "CONFIG_BRIDGE",
    purpose="a switch",
    module="bridge",
    probe=(("ip", "link", "add", "probe-br", "type", "bridge"), ("ip", "link", "del", "probe-br")),
)
TBF = kernel(
    "tbf",
    "CONFIG_NET_SCH_TBF",
    purpose="the rate of a link",
    module="sch_tbf",
    probe=(
        ("tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "10mbit", "burst", "100000", "latency", "50ms"),
        ("tc", "qdisc", "del", "dev", "lo", "root"),
    ),
)
NETEM = kernel(
    "netem",
    "CONFIG_NET_SCH_NETEM",
    purpose="the delay or loss of a link",
    module="sch_netem",
    probe=(
        ("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms", "loss", "1%", "rate", "10mbit"),
        ("tc", "qdisc", "del", "dev", "lo", "root"),
    ),
)
ETHTOOL = program("ethtool", package="ethtool", purpose="single packets on a link that loses some")
NEEDS = frozenset({VETH, TBF, NETEM, ETHTOOL})
"""All that links can need."""


MTU_BYTES = 1500
"""Ethernet's: what the client's links have, and all others if not said."""
MOST_MTU_BYTES = 9000


@dataclass(frozen=True)
class Direction:
    """One direction of a link: its rate on the wire in bit/s, its delay in seconds, its loss (0 to 1)."""

    rate_bps: int
    delay_s: float
    loss: float


@dataclass(frozen=True)
class LinkProfile:
    """A full-duplex Ethernet link; delay in seconds and loss (0 to 1) are those of each direction, or differ.

    `mtu_bytes` is what a packet may have, from its IP header on.

    It leads from the first node of a topology's `addLink`, which is nearer to the client, to the second one.
    """

    rate_bps: int
    delay_s: float | ByDirection = 0.0
    loss: float | ByDirection = 0.0
    mtu_bytes: int = MTU_BYTES

    @property
    def towards_client(self) -> Direction:
        """The way of what the servers' end sends."""
        delay_s, loss = (each.towards_client if isinstance(each, ByDirection) else each for each in self._directed)
        return Direction(self.rate_bps, delay_s, loss)

    @property
    def towards_server(self) -> Direction:
        """The way of what the client's end sends."""
        delay_s, loss = (each.towards_server if isinstance(each, ByDirection) else each for each in self._directed)
        return Direction(self.rate_bps, delay_s, loss)

    @property
    def directions(self) -> tuple[Direction, Direction]:
        """Towards the client, towards the servers."""
        return self.towards_client, self.towards_server

    @property
    def is_lossy(self) -> bool:
        """Whether packets are lost in one direction at least."""
        return any(direction.loss > 0 for direction in self.directions)

    @property
    def bare(self) -> LinkProfile:
        """The same link without delay and loss."""
        return LinkProfile(self.rate_bps, mtu_bytes=self.mtu_bytes)

    @property
    def reversed(self) -> LinkProfile:
        """The same link, added from its other end."""
        delay_s, loss = (each.reversed if isinstance(each, ByDirection) else each for each in self._directed)
        return replace(self, delay_s=delay_s, loss=loss)

    @property
    def _directed(self) -> tuple[float | ByDirection, float | ByDirection]:
        return self.delay_s, self.loss

    def __str__(self) -> str:
        rate = self.rate_bps / 10**6
        text = f"{rate / 1000:g} Gbit/s" if rate >= 1000 else f"{rate:g} Mbit/s"
        mtu = f", MTU {self.mtu_bytes}" if self.mtu_bytes != MTU_BYTES else ""
        return text + _shown(self.delay_s, 1000, "ms") + _shown(self.loss, 100, "% loss") + mtu


def _shown(value: float | ByDirection, factor: int, unit: str) -> str:
    """`, 20 ms each way`; of a link that has it in one direction only, `, 20 ms towards client`."""
    if isinstance(value, ByDirection):
        ways = (("client", value.towards_client), ("server", value.towards_server))
        return "".join(f", {each * factor:g} {unit} towards {end}" for end, each in ways if each)
    return f", {value * factor:g} {unit} each way" if value else ""


class Link(Table):
    """A link of an experiment's file."""

    rate_bps: Rate = Field(alias="rate", description="Its rate in each direction.")
    delay_s: DirectedDelay = Field(
        default=0.0, alias="delay", description="The delay of each direction, or a table of both: none where not said."
    )
    loss: DirectedLoss = Field(
        default=0.0,
        description="The share of packets that each direction loses, or a table of both: none where not said.",
    )

    @property
    def profile(self) -> LinkProfile:
        """The link as it is built."""
        return LinkProfile(self.rate_bps, by_direction(self.delay_s), by_direction(self.loss))


def _at_least_ethernets(value: int) -> int:
    if not MTU_BYTES <= value <= MOST_MTU_BYTES:
        raise ValueError(
            f"{value} bytes: an MTU is {MTU_BYTES} B at least, as the client's is, {MOST_MTU_BYTES} B at most"
        )
    return value


class InnerLink(Link):
    """A link behind the director, which may have room for more than a packet of the client's (in a tunnel)."""

    mtu_bytes: Annotated[Size, AfterValidator(_at_least_ethernets)] | None = Field(
        default=None, alias="mtu", description="Its MTU, for packets in tunnels: 1500 bytes if not said."
    )

    @property
    def profile(self) -> LinkProfile:
        """The link as it is built."""
        return replace(super().profile, mtu_bytes=self.mtu_bytes or MTU_BYTES)


def features(links: Iterable[LinkProfile]) -> frozenset[Need]:
    """What these links need, of `NEEDS`."""
    found = {VETH, TBF}
    links = tuple(links)
    if any(way.delay_s or way.loss for link in links for way in link.directions):
        found.add(NETEM)
    if any(link.is_lossy for link in links):
        found.add(ETHTOOL)
    return frozenset(found)


def round_trip_s(links: Iterable[LinkProfile]) -> float:
    """The delay over all these links, there and back, in seconds."""
    return sum(way.delay_s for link in links for way in link.directions)


def lost(links: Iterable[LinkProfile]) -> tuple[float, float]:
    """The share of packets that do not come over all these links: towards the client, towards the servers."""
    to_client, to_server = zip(*(link.directions for link in links), strict=True)
    return _lost(to_client), _lost(to_server)


def _lost(ways: Iterable[Direction]) -> float:
    return 1 - math.prod(1 - way.loss for way in ways)


def delivery_share(links: Iterable[LinkProfile]) -> float:
    """The share of exchanges over all these links, there and back, that lose nothing."""
    return math.prod((1 - link.towards_client.loss) * (1 - link.towards_server.loss) for link in links)
