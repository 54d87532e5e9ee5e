"""Page loads and uploads (paper section V-B): so many requests, so many at a time, until `ab` ends by itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from experiments.workloads.base import MOST_BYTES, Scene, Workload, has_ended, preloading
from testbed.base.errors import CommandError
from testbed.base.needs import Need
from testbed.base.parts import Complaint
from testbed.base.quantities import MAX_REQUESTS, Concurrency, PageSize, Patience, Requests, Size, Sizes
from testbed.record import ab
from testbed.tools import apache_bench, large_reads, lighttpd
from topologies import links
from topologies.base import Topology

# The most of it is the guest's, the rest the analysis', which has the same cores.
SECONDS_PER_CONNECTION = {"tcp": 0.00055, "mptcp": 0.00075}
# Without loss, packets travel as bursts of up to 64 KB; with loss, one by one.
SECONDS_PER_GB_OF_BURSTS = 7.0
SECONDS_PER_GB_OF_PACKETS = 30.0

_SEGMENT_BYTES = 1448
_INITIAL_WINDOW_BYTES = 10 * _SEGMENT_BYTES
_SHORTEST_ROUND_TRIP_S = 0.001
_PACKETS_OF_A_CONNECTION = 100
# A lost SYN is sent again after 1 s; the same bound stands for a lost tail.
_RETRANSMISSION_TIMEOUT_S = 1.0


_NOT_OF_A_POINT = ("sizes_bytes", "total_bytes", "min_requests", "max_requests")


class PageLoads(Workload):
    """Pages of each size loaded (or put, as uploads), `concurrency` at a time, until `total` is moved per size.

    The number of requests per size is `total` / size, kept within `min_requests` and `max_requests`, and never below
    `concurrency`, which `ab` refuses.
    """

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["total"]}, {"required": ["requests"]}]})

    needs = frozenset({apache_bench.NEED, large_reads.NEED, lighttpd.UPLOADS})

    direction: Literal["download", "upload"] = Field(
        default="download", description="Whether the client loads the pages or puts them (WebDAV)."
    )
    sizes_bytes: Sizes = Field(alias="sizes", description="The pages' sizes, a point for each.")
    concurrency: Concurrency = Field(description="Requests under way at a time (`ab -c`).")
    total_bytes: Size | None = Field(default=None, alias="total", description="What is moved per size, in all.")
    min_requests: Requests = Field(default=1, description="No fewer requests per size than this.")
    max_requests: Requests | None = Field(default=None, description="No more requests per size than this.")
    requests: Requests | None = Field(
        default=None, description="So many requests per size, whatever the size (`ab -n`); instead of `total`."
    )
    timeout_s: Patience | None = Field(
        default=None,
        alias="timeout",
        description="When the client gives up: so many whole seconds in which nothing comes on any of its connections "
        "(`ab -s`), which ends the workload; 600 s if not said.",
    )
    meanwhile_bytes: PageSize | None = Field(
        default=None,
        alias="meanwhile",
        description="While it uploads, the client loads pages of this size as well, as many at a time, until its "
        "uploads are done: a mixed load.",
    )
    large_reads: bool = Field(
        default=False, description="Whether ab reads 64 KB at a time, by a preloaded library, where it asks for 8."
    )

    @model_validator(mode="after")
    def _says_how_many(self) -> Self:
        if self.total_bytes is None and self.requests is None:
            raise ValueError("it needs total, or requests")
        return self

    @field_validator("max_requests")
    @classmethod
    def _leaves_room(cls, value: int | None, info: ValidationInfo) -> int | None:
        for lower in ("min_requests", "concurrency"):
            if value is not None and value < info.data.get(lower, 0):
                raise ValueError(f"max_requests = {value} is below {lower} = {info.data[lower]}")
        return value

    @field_validator("requests")
    @classmethod
    def _instead_of_total(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is None:
            return None
        for other in ("total_bytes", "max_requests"):
            if info.data.get(other) is not None:
                raise ValueError(f"requests = {value} stands instead of {other.removesuffix('_bytes')}: one of them")
        if value < info.data.get("concurrency", 0):
            raise ValueError(f"requests = {value} is below concurrency = {info.data['concurrency']}")
        return value

    @property
    def sender(self) -> Literal["server", "client"]:
        """Who sends the pages."""
        return "client" if self.direction == "upload" else "server"

    @property
    def object_sizes(self) -> tuple[int, ...]:
        """The pages' sizes in bytes."""
        return self.sizes_bytes

    def requests_of(self, size_bytes: int) -> int:
        """How many pages of `size_bytes` are loaded."""
        if self.requests is not None:
            return self.requests
        assert self.total_bytes is not None
        wanted = max(-(-self.total_bytes // size_bytes), self.min_requests)
        if self.max_requests is not None:
            wanted = min(wanted, self.max_requests)
        return max(wanted, self.concurrency)

    def of_size(self, object_bytes: int) -> Self:
        """So many requests for pages of this one size."""
        own: dict[str, object] = {"sizes_bytes": (object_bytes,), "requests": self.requests_of(object_bytes)}
        return self.model_copy(update={**own, "total_bytes": None, "min_requests": 1, "max_requests": None})

    @property
    def also_served(self) -> tuple[int, ...]:
        """What is loaded meanwhile."""
        return () if self.meanwhile_bytes is None else (self.meanwhile_bytes,)

    def check(self, topology: Topology) -> Iterator[Complaint]:
        """No machine comes to the end of more than this, and what is loaded meanwhile is not what is put."""
        del topology
        if self.meanwhile_bytes is not None and self.direction == "download":
            yield Complaint("meanwhile", "pages are loaded anyway", hint='it is for direction = "upload"')
        if self.meanwhile_bytes in self.sizes_bytes:
            yield Complaint("meanwhile", "a page of this size is put, and so it changes", hint="another size")
        for size_bytes in self.sizes_bytes:
            requests = self.requests_of(size_bytes)
            if requests > MAX_REQUESTS:
                what = f"{requests} requests for pages of {size_bytes} bytes, more than {MAX_REQUESTS}"
                yield Complaint("total", what, "a smaller total, or max_requests")
            if requests * size_bytes > MOST_BYTES:
                what = f"{requests * size_bytes / 1e12:.3g} TB in pages of {size_bytes} bytes, more than 10 TB"
                yield Complaint("total" if self.total_bytes else "requests", what, "a smaller total or fewer requests")

    def parameters(self) -> dict[str, Any]:
        """All but the pages' sizes, of which each point has its own, and what the number of requests came from."""
        return {name: value for name, value in super().parameters().items() if name not in _NOT_OF_A_POINT}

    def features(self) -> frozenset[Need]:
        """`ab`, the library that it preloads, and the web server's module for uploads."""
        found = {apache_bench.NEED} | ({lighttpd.UPLOADS} if self.direction == "upload" else set())
        return frozenset(found | ({large_reads.NEED} if self.large_reads else set()))

    def most_packets(self, object_bytes: int) -> float | None:
        """Every segment and its ACK, all of it twice, and handshakes and ends of two subflows."""
        return self.requests_of(object_bytes) * (_PACKETS_OF_A_CONNECTION + 4 * object_bytes / _SEGMENT_BYTES)

    def busy_s(self, topology: Topology, protocol: str, object_bytes: int) -> float:
        """What a guest's CPU does: so many connections, so many bytes."""
        requests = self.requests_of(object_bytes)
        gigabytes = requests * object_bytes / 1e9
        per_gigabyte = SECONDS_PER_GB_OF_PACKETS if topology.delivery_share() < 1 else SECONDS_PER_GB_OF_BURSTS
        return requests * SECONDS_PER_CONNECTION[protocol] + gigabytes * per_gigabyte

    def transfer_s(self, topology: Topology, object_bytes: int) -> float:
        """All pages through the director, for MPTCP too, and each with a handshake and slow start.

        Under loss a connection gets no more than 1.22 MSS / (RTT sqrt(p)) (Mathis et al., 1997).
        """
        path, requests = topology.path_to_service(), self.requests_of(object_bytes)
        rate_bps: float = min(link.rate_bps for link in path)
        round_trip_s = max(links.round_trip_s(path), _SHORTEST_ROUND_TRIP_S)
        lost = links.lost(path)
        loss = max(lost)  # as if the pages went the worse way
        rounds = 2 + math.log2(1 + object_bytes / _INITIAL_WINDOW_BYTES)
        if loss > 0:
            fair_bps = 1.22 * 8 * _SEGMENT_BYTES / (round_trip_s * math.sqrt(loss))
            rate_bps = min(rate_bps, self.concurrency * fair_bps)
        per_request_s = rounds * (round_trip_s + sum(lost) * _RETRANSMISSION_TIMEOUT_S)
        return 8 * requests * object_bytes / rate_bps + requests / self.concurrency * per_request_s

    def drive(self, scene: Scene) -> None:
        """Load (or put) the page `requests` times; raises `CommandError` if `ab` fails.

        Raises `ReadbackError` if it did not read as it was to.
        """
        argv = apache_bench.command(
            scene.url,
            concurrency=self.concurrency,
            requests=self.requests,
            mptcp=scene.mptcp,
            upload=scene.file if self.direction == "upload" else None,
            timeout_s=self.timeout_s,
        )
        if self.large_reads:
            argv = preloading(argv, scene)
        scene.sampler.start()
        scene.events.start()
        with (
            self._loading_meanwhile(scene) as stop_loading,
            apache_bench.start(scene.client, argv, scene.out, log=scene.log) as bench,
        ):
            scene.sampler.run(lambda seconds: has_ended(bench, seconds), actions=scene.actions)
            stop_loading()
            scene.events.add("workload-ended")
            scene.sampler.sample()
            status = bench.wait()
        if status != 0:
            raise CommandError(argv, status, (scene.out / "ab.stderr.txt").read_text())
        if self.large_reads:
            large_reads.read_back(scene.out)

    @contextmanager
    def _loading_meanwhile(self, scene: Scene) -> Iterator[Callable[[], None]]:
        """Load pages until what is yielded is called, which raises `CommandError` if that had ended before."""
        if self.meanwhile_bytes is None:
            yield lambda: None
            return
        url = f"{scene.url.rpartition('/')[0]}/{self.meanwhile_bytes}.bin"
        argv = apache_bench.command(url, concurrency=self.concurrency, requests=None, mptcp=scene.mptcp)
        files = (ab.MEANWHILE, ab.COMPLAINTS_MEANWHILE)
        with apache_bench.start(scene.client, argv, scene.out, log=scene.log, files=files) as bench:

            def stop() -> None:
                if (early := bench.poll()) is not None:
                    raise CommandError(argv, early, (scene.out / ab.COMPLAINTS_MEANWHILE).read_text())
                apache_bench.interrupt(bench)

            yield stop
