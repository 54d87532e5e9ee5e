"""Which parts the experiments are made of: the one place that names them.

A part is a class with a protocol: a set-up (`topologies.setup`), a director (`testbed.directors.base`), a workload
(`experiments.workloads.base`), a timetable (`experiments.timetables.base`). Everybody else asks the parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.timetables.base import Timetable
from experiments.timetables.rotation import Rotation
from experiments.workloads.base import Workload
from experiments.workloads.long_downloads import LongDownloads
from experiments.workloads.page_loads import PageLoads
from testbed.base.traits import Traits
from testbed.directors.base import Director
from testbed.directors.ecmp import Ecmp
from testbed.directors.ipvs import IpvsNat
from topologies.anycast import AnycastSetup
from topologies.load_balancer import LoadBalancerSetup
from topologies.setup import Setup

_SETUPS: Mapping[str, type[LoadBalancerSetup] | type[AnycastSetup]] = {
    "load-balancer": LoadBalancerSetup,
    "anycast": AnycastSetup,
}
_DIRECTORS: Mapping[str, type[IpvsNat] | type[Ecmp]] = {"load-balancer": IpvsNat, "anycast": Ecmp}
_WORKLOADS: Mapping[str, type[PageLoads] | type[LongDownloads]] = {"load-balancer": PageLoads, "anycast": LongDownloads}

SCENARIOS = tuple(_SETUPS)
"""The names of what the parts are put together to, as experiment files have them."""


@dataclass(frozen=True)
class Parts:
    """The parts of one point."""

    setup: Setup
    director: Director
    workload: Workload
    timetable: Timetable

    def traits(self, *, mptcp: bool, past_director: bool) -> Traits:
        """What the analysis must know of them; `past_director`: connections can leave the service address."""
        return Traits(
            service_path=self.director.service_path,
            ends_by=self.workload.ends_by,
            planned_s=self.workload.planned_s,
            sender=self.workload.sender,
            servers=self.setup.servers,
            bottlenecks=self.setup.bottlenecks(mptcp=mptcp),
            delivery_share=self.setup.delivery_share(),
            per_second=self.workload.per_second,
            limit_note=self.setup.limit_note(mptcp=mptcp, past_director=past_director),
            picture=self.setup.picture(),
        )


def parts_of(scenario: str, parameters: Mapping[str, Any]) -> Parts:
    """The parts that a point's parameters describe; raises KeyError, TypeError or ValueError if they describe none."""
    # What loses packets on purpose sits in the middle, never at the client's own interfaces.
    in_the_middle = parameters.get("drop_packet", "none") != "none"
    return Parts(
        _SETUPS[scenario].of(parameters, switched=in_the_middle),
        _DIRECTORS[scenario](),
        _WORKLOADS[scenario].of(parameters),
        Rotation.of(parameters),
    )


def director_role(scenario: str) -> str:
    """What the node that spreads the service address is called there."""
    return _DIRECTORS[scenario].role


def largest_seed(scenario: str) -> tuple[int, str]:
    """The largest seed that a point can have, and what bounds it."""
    return _DIRECTORS[scenario].largest_seed
