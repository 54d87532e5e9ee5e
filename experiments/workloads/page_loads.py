"""Page loads and uploads (paper section V-B): so many requests, so many at a time, until `ab` ends by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from experiments.workloads.base import Scene, has_ended
from testbed.base.errors import CommandError
from testbed.labs.features import command, lighttpd
from testbed.tools import apache_bench
from testbed.tools.lighttpd import UPLOAD_MODULE
from topologies.setup import Setup

SECONDS_PER_CONNECTION = {"tcp": 0.0025, "mptcp": 0.006}
# Without loss, packets travel as bursts of up to 64 KB; with loss, one by one.
SECONDS_PER_GB_OF_BURSTS = 15.0
SECONDS_PER_GB_OF_PACKETS = 60.0

_SEGMENT_BYTES = 1448
_INITIAL_WINDOW_BYTES = 10 * _SEGMENT_BYTES
_SHORTEST_ROUND_TRIP_S = 0.001
# A lost SYN is sent again after 1 s; the same bound stands for a lost tail.
_RETRANSMISSION_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class PageLoads:
    """Pages fetched by the client, or put by it (`upload`)."""

    requests: int
    concurrency: int
    upload: bool = False

    ends_by: ClassVar[Literal["requests", "time"]] = "requests"
    planned_s: ClassVar[float | None] = None
    per_second: ClassVar[bool] = False
    limit_factor: ClassVar[float] = 20.0

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> PageLoads:
        """The workload that a point's parameters describe."""
        upload = parameters.get("direction", "download") == "upload"
        return cls(int(parameters["requests"]), int(parameters["concurrency"]), upload)

    @property
    def sender(self) -> Literal["server", "client"]:
        """Who sends the pages."""
        return "client" if self.upload else "server"

    def features(self) -> frozenset[str]:
        """`ab`, and the web server's module for uploads."""
        return frozenset({command("ab"), *([lighttpd(UPLOAD_MODULE)] if self.upload else [])})

    def busy_s(self, setup: Setup, protocol: str, object_bytes: int) -> float:
        """What a guest's CPU does: so many connections, so many bytes."""
        gigabytes = self.requests * object_bytes / 1e9
        per_gigabyte = SECONDS_PER_GB_OF_PACKETS if setup.delivery_share() < 1 else SECONDS_PER_GB_OF_BURSTS
        return self.requests * SECONDS_PER_CONNECTION[protocol] + gigabytes * per_gigabyte

    def transfer_s(self, setup: Setup, object_bytes: int) -> float:
        """All pages through the director, for MPTCP too, and each with a handshake and slow start.

        Under loss a connection gets no more than 1.22 MSS / (RTT sqrt(p)) (Mathis et al., 1997).
        """
        links = setup.way_to_service()
        rate_bps: float = min(link.rate_bps for link in links)
        round_trip_s = max(2 * sum(link.delay_s for link in links), _SHORTEST_ROUND_TRIP_S)
        loss = 1 - math.prod(1 - link.loss for link in links)
        rounds = 2 + math.log2(1 + object_bytes / _INITIAL_WINDOW_BYTES)
        if loss > 0:
            fair_bps = 1.22 * 8 * _SEGMENT_BYTES / (round_trip_s * math.sqrt(loss))
            rate_bps = min(rate_bps, self.concurrency * fair_bps)
        per_request_s = rounds * (round_trip_s + 2 * loss * _RETRANSMISSION_TIMEOUT_S)
        return 8 * self.requests * object_bytes / rate_bps + self.requests / self.concurrency * per_request_s

    def drive(self, scene: Scene) -> None:
        """Load (or put) the page `requests` times."""
        argv = apache_bench.command(
            scene.url,
            concurrency=self.concurrency,
            requests=self.requests,
            mptcp=scene.mptcp,
            upload=scene.file if self.upload else None,
        )
        scene.sampler.start()
        scene.events.start()
        with apache_bench.start(scene.client, argv, scene.out, log=scene.log) as bench:
            scene.sampler.run(lambda seconds: has_ended(bench, seconds), actions=scene.actions)
            scene.events.add("workload-ended")
            scene.sampler.sample()
            status = bench.wait()
        if status != 0:
            raise CommandError(argv, status, (scene.out / "ab.stderr.txt").read_text())
