"""What a link of a topology is: rate, delay and loss, the same in both directions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import Field

from testbed.base.needs import Need, kernel, program
from testbed.base.quantities import Delay, Loss, Rate
from testbed.base.table import Table

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


@dataclass(frozen=True)
class LinkProfile:
    """A full-duplex Ethernet link; delay in seconds and loss (0 to 1) are per direction."""

    rate_bps: int
    delay_s: float = 0.0
    loss: float = 0.0

    def __str__(self) -> str:
        rate = self.rate_bps / 10**6
        text = f"{rate / 1000:g} Gbit/s" if rate >= 1000 else f"{rate:g} Mbit/s"
        if self.delay_s:
            text += f", {self.delay_s * 1000:g} ms"
        if self.loss:
            text += f", {self.loss * 100:g} % loss"
        return text


class Link(Table):
    """A link of an experiment's file: the same in both directions."""

    rate_bps: Rate = Field(alias="rate", description="Its rate in each direction.")
    delay_s: Delay = Field(default=0.0, alias="delay", description="The delay of each direction.")
    loss: Loss = Field(default=0.0, description="The share of packets that each direction loses.")

    @property
    def profile(self) -> LinkProfile:
        """The link as it is built."""
        return LinkProfile(self.rate_bps, self.delay_s, self.loss)


def features(links: Iterable[LinkProfile]) -> frozenset[Need]:
    """What these links need, of `NEEDS`."""
    found = {VETH, TBF}
    links = tuple(links)
    if any(link.delay_s or link.loss for link in links):
        found.add(NETEM)
    if any(link.loss for link in links):
        found.add(ETHTOOL)
    return frozenset(found)


def delivery_share(links: Iterable[LinkProfile]) -> float:
    """The share of exchanges over all these links, there and back, that lose nothing."""
    return math.prod((1 - link.loss) ** 2 for link in links)
