"""Long downloads (paper section V-C): so many at a time, one after the other, until a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from experiments.workloads.base import Scene, has_ended
from testbed.base.errors import CommandError
from testbed.labs.features import command
from testbed.tools import apache_bench
from topologies.setup import Setup

# Wall seconds per virtual second with three servers of 1 Gbit/s; in proportion for other rates.
RATIO = {"tcp": 2.7, "mptcp": 4.1}
RATIO_RATE_BPS = 3e9


@dataclass(frozen=True)
class LongDownloads:
    """Downloads of one size for `duration_s` seconds; what is under way then is cut off."""

    concurrency: int
    duration_s: float

    sender: ClassVar[Literal["server", "client"]] = "server"
    ends_by: ClassVar[Literal["requests", "time"]] = "time"
    per_second: ClassVar[bool] = True
    limit_factor: ClassVar[float] = 5.0

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> LongDownloads:
        """The workload that a point's parameters describe."""
        return cls(int(parameters["concurrency"]), float(parameters["duration_s"]))

    @property
    def planned_s(self) -> float | None:
        """When it ends."""
        return self.duration_s

    def features(self) -> frozenset[str]:
        """`ab`."""
        return frozenset({command("ab")})

    def busy_s(self, setup: Setup, protocol: str, _object_bytes: int) -> float:
        """So many seconds at the rate of the servers' links."""
        return self.duration_s * RATIO[protocol] * setup.way_rate_bps(past_director=False) / RATIO_RATE_BPS

    def transfer_s(self, _setup: Setup, _object_bytes: int) -> float:
        """As long as it is to last."""
        return self.duration_s

    def drive(self, scene: Scene) -> None:
        """Download until the time is over; raises `CommandError` if `ab` ends before that."""
        argv = apache_bench.command(scene.url, concurrency=self.concurrency, requests=None, mptcp=scene.mptcp)
        scene.sampler.start()
        scene.events.start()
        with apache_bench.start(scene.client, argv, scene.out, log=scene.log) as bench:
            scene.sampler.run(lambda seconds: has_ended(bench, seconds), actions=scene.actions, until_s=self.duration_s)
            early = bench.poll()
            scene.events.add("workload-ended")
            if early is not None:
                raise CommandError(argv, early, (scene.out / "ab.stderr.txt").read_text())
            apache_bench.interrupt(bench)
