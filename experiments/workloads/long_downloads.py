"""Long downloads (paper section V-C), or uploads: so many at a time, one after the other, until a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from experiments.workloads.base import MOST_BYTES, MOST_SECONDS, Scene, Workload, has_ended, preloading
from testbed.base.errors import CommandError
from testbed.base.needs import Need
from testbed.base.parts import Complaint
from testbed.base.quantities import Concurrency, PageSize, Patience, PositiveDuration
from testbed.tools import apache_bench, large_reads, lighttpd
from topologies.base import Topology

# Wall seconds per virtual second with three servers of 1 Gbit/s; in proportion for other rates. With large reads, and
# with the large bursts of `experiments/fig13.toml`, it is less than half of this.
RATIO = {"tcp": 2.7, "mptcp": 4.1}
RATIO_OF_LARGE_READS = {"tcp": 1.0, "mptcp": 1.0}
RATIO_RATE_BPS = 3e9


class LongDownloads(Workload):
    """Files downloaded so many at a time, one after the other, until a time, when what is under way is cut off."""

    needs = frozenset({apache_bench.NEED, large_reads.NEED, lighttpd.UPLOADS})

    ends_by: ClassVar[Literal["requests", "time"]] = "time"
    per_second: ClassVar[bool] = True
    limit_factor: ClassVar[float] = 5.0
    plot: ClassVar[str] = "timeline"

    size_bytes: PageSize = Field(alias="size", description="The files' size.")
    concurrency: Concurrency = Field(description="Downloads under way at a time (`ab -c`).")
    duration_s: PositiveDuration = Field(alias="duration", description="How long, on the lab's clock.")
    timeout_s: Patience | None = Field(
        default=None,
        alias="timeout",
        description="When the client gives up: so many whole seconds in which nothing comes on any of its connections "
        "(`ab -s`), which ends the workload; 600 s if not said.",
    )
    direction: Literal["download", "upload"] | None = Field(
        default=None, description="Who sends the files: the servers if not said, or the client, which puts them."
    )
    large_reads: bool = Field(
        default=True, description="Whether ab reads 64 KB at a time, by a preloaded library, where it asks for 8."
    )

    @property
    def sender(self) -> Literal["server", "client"]:
        """Who sends the files."""
        return "client" if self.direction == "upload" else "server"

    @property
    def planned_s(self) -> float | None:
        """When it ends."""
        return self.duration_s

    @property
    def object_sizes(self) -> tuple[int, ...]:
        """The files' size in bytes."""
        return (self.size_bytes,)

    def check(self, topology: Topology) -> Iterator[Complaint]:
        """No machine comes to the end of more than this."""
        if self.duration_s > MOST_SECONDS:
            what = f"{self.duration_s:g} s, of which each is sampled, are more than {MOST_SECONDS}"
            yield Complaint("duration", what)
        rate_bps = topology.path_rate_bps(past_director=False)
        if rate_bps * self.duration_s / 8 > MOST_BYTES:
            what = f"{rate_bps * self.duration_s / 8e12:.3g} TB at the rate of the links, more than 10 TB"
            yield Complaint("duration", what, "a shorter duration, or slower links")

    def parameters(self) -> dict[str, Any]:
        """All but the size, which is the point's."""
        return {name: value for name, value in super().parameters().items() if name != "size_bytes"}

    def features(self) -> frozenset[Need]:
        """`ab`, the library that it preloads, and the web server's module for uploads."""
        found = {apache_bench.NEED} | ({lighttpd.UPLOADS} if self.direction == "upload" else set())
        return frozenset(found | ({large_reads.NEED} if self.large_reads else set()))

    def busy_s(self, topology: Topology, protocol: str, _object_bytes: int) -> float:
        """So many seconds at the rate of the servers' links."""
        ratio = (RATIO_OF_LARGE_READS if self.large_reads else RATIO)[protocol]
        return self.duration_s * ratio * topology.path_rate_bps(past_director=False) / RATIO_RATE_BPS

    def transfer_s(self, _topology: Topology, _object_bytes: int) -> float:
        """As long as it is to last."""
        return self.duration_s

    def drive(self, scene: Scene) -> None:
        """Download (or put) until the time is over; raises `CommandError` if `ab` ends before that.

        Raises `ReadbackError` if it did not read as it was to.
        """
        argv = apache_bench.command(
            scene.url,
            concurrency=self.concurrency,
            requests=None,
            mptcp=scene.mptcp,
            upload=scene.file if self.sender == "client" else None,
            timeout_s=self.timeout_s,
        )
        if self.large_reads:
            argv = preloading(argv, scene)
        scene.sampler.start()
        scene.events.start()
        with apache_bench.start(scene.client, argv, scene.out, log=scene.log) as bench:
            scene.sampler.run(lambda seconds: has_ended(bench, seconds), actions=scene.actions, until_s=self.duration_s)
            early = bench.poll()
            scene.events.add("workload-ended")
            if early is not None:
                raise CommandError(argv, early, (scene.out / "ab.stderr.txt").read_text())
            apache_bench.interrupt(bench)
        if self.large_reads:
            large_reads.read_back(scene.out)
