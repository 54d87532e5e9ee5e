"""Raw directories of points and summaries, small and complete, for the tests to break one thing in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import packet_maker as make

from analysis.flows.joins import Joins, Waits
from analysis.summary.model import Churn, PointSummary, SecondBySecond
from testbed.record.legacy import names_of, traits_of

START_S = 1_700_000_000
START_NS = START_S * 10**9
MS = 10**6
KEY_A, KEY_B = b"AAAAAAAA", b"BBBBBBBB"

AB = """This is ApacheBench, Version 2.3 <$Revision$>

Document Path:          /object
Document Length:        {length} bytes

Concurrency Level:      2
Time taken for tests:   {time:.3f} seconds
Complete requests:      {complete}
Failed requests:        {failed}
{breakdown}Total transferred:      {total} bytes
HTML transferred:       {html} bytes
Requests per second:    {rps:.2f} [#/sec] (mean)
Transfer rate:          {rate:.2f} [Kbytes/sec] received
"""


def ab_text(*, length: int = 1_000_000, time_s: float = 0.25, complete: int = 2, failed: int = 0) -> str:
    total = complete * (length + 44)
    return AB.format(
        length=length,
        time=time_s,
        complete=complete,
        failed=failed * 2,
        breakdown=f"   (Connect: 0, Receive: {failed}, Length: {failed}, Exceptions: 0)\n" if failed else "",
        total=total,
        html=complete * length,
        rps=complete / time_s,
        rate=total / 1024 / time_s,
    )


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def described(scenario: str, protocol: str, parameters: Mapping[str, object]) -> dict[str, Any]:
    """What a `point.json` has of a point's parts with these parameters: they, their traits, and what is lost."""
    parts: dict[str, Any] = {kind: {"name": name} for kind, name in names_of(scenario).items()}
    own = {name: value for name, value in parameters.items() if not name.startswith("drop_")}
    parts["workload"] |= {"settings": own, "parameters": own}
    traits = traits_of(scenario, protocol, parameters).model_dump(mode="json", exclude_unset=True)
    found: dict[str, Any] = {"parts": parts, "traits": traits}
    if "drop_packet" in parameters:
        found["drop"] = {"packet": parameters["drop_packet"], "occurrence": parameters.get("drop_occurrence", 1)}
    return found


def load_balancer_point(
    directory: Path,
    *,
    protocol: str = "mptcp",
    parameters: Mapping[str, object] = MappingProxyType({"requests": 2, "concurrency": 2}),
    **changes: object,
) -> Path:
    """A valid point: 2 downloads of 1 MB in 0.25 s; with MPTCP 10 % through the director, both joined."""
    directory.mkdir(parents=True)
    point = {
        "version": 2, "id": directory.name, "experiment": "fig07", "figure": "7", "title": "HTTP at 100 Mbit/s",
        "plot": "page-size", "protocol": protocol, "object_bytes": 1_000_000, "seed": 1,
        "profile": "quick", "clock": "virtual", "wire_limit_bps": 94_148_244.5,
        **described("load-balancer", protocol, parameters),
    }  # fmt: skip
    write_json(directory / "point.json", point | changes)
    mptcp = protocol == "mptcp"
    first, second = START_NS + 10 * MS, START_NS + 20 * MS
    through = 100_000 if mptcp else 1_000_000
    eth0 = [
        *make.handshake(first, 40001, key=KEY_A if mptcp else b""),
        *make.handshake(second, 40002, key=KEY_B if mptcp else b""),
        *(make.data(START_NS + 50 * MS + i, 40001, through // 50) for i in range(50)),
        *(make.data(START_NS + 60 * MS + i, 40002, through // 50) for i in range(50)),
    ]
    eth1 = []
    if mptcp:
        eth1 = [
            *make.join(first + 5 * MS, 50001, KEY_A),
            *make.join(second + 5 * MS, 50002, KEY_B),
            *(make.data(START_NS + 70 * MS + i, 50001 + i % 2, 900_000 // 50, past=True) for i in range(100)),
        ]
    events = [
        {"t": 0.0, "event": "workload-started", "epoch_s": float(START_S)},
        {"t": 0.25, "event": "workload-ended"},
    ]
    return _finish(directory, {"c-eth0": eth0, "c-eth1": eth1}, events, ab_text())


def anycast_point(
    directory: Path,
    *,
    ab: str | None = None,
    parameters: Mapping[str, object] = MappingProxyType({"concurrency": 1, "duration_s": 4}),
    **changes: object,
) -> Path:
    """A TCP point of 4 s with a server out from 1 to 3: 8000, 4000, 4000, 8000 bits; RSTs at 1.0 s; ab ends late."""
    directory.mkdir(parents=True)
    point = {
        "version": 2, "id": directory.name, "experiment": "fig13", "figure": "13", "title": "Anycast, TCP",
        "plot": "timeline", "protocol": "tcp", "object_bytes": 1_000_000, "seed": 1,
        "profile": "quick", "clock": "virtual", "wire_limit_bps": 2_824_447_334.0,
        **described("anycast", "tcp", parameters),
    }  # fmt: skip
    write_json(directory / "point.json", point | changes)
    at = [START_NS + i * 500 * MS for i in range(9)]
    packets = [
        *make.handshake(START_NS + MS, 40001),
        *(make.data(at[i], 40001, 500) for i in (0, 1, 2, 4, 6, 7)),
        (at[2], make.to_client(80, 40001, make.RST, seq=500)),
        (at[2] + 1, make.to_client(80, 40001, make.RST, seq=500)),
        (at[2] + 2, make.to_server(40001, 80, make.RST)),
        make.data(at[8] + 1, 40001, 9_999),
        (at[8] + 200 * MS, make.to_server(40001, 80, make.RST)),
    ]
    events: list[dict[str, Any]] = [
        {"t": 0.0, "event": "workload-started", "epoch_s": float(START_S)},
        {"t": 1.0, "event": "server-removed", "server": "s1"},
        {"t": 3.0, "event": "server-added", "server": "s1"},
        {"t": 4.3, "event": "workload-ended"},
    ]
    return _finish(directory, {"c-eth0": sorted(packets)}, events, ab or ab_text(complete=3, failed=1, time_s=4.2))


def _finish(
    directory: Path, captures: dict[str, list[tuple[int, bytes]]], events: list[dict[str, Any]], ab: str
) -> Path:
    for name, packets in captures.items():
        make.write_pcap(directory / f"{name}.pcap", packets)
    write_json(
        directory / "captures.json",
        [
            {"interface": name, "file": f"{name}.pcap", "captured": len(packets), "dropped": 0}
            for name, packets in captures.items()
        ],
    )
    write_json(
        directory / "addresses.json",
        {
            "client": [make.CLIENT, make.CLIENT_DIRECT],
            "service": {"address": make.VIP, "port": 80},
            "servers": {"s1": {"unique": make.UNIQUE, "local": "10.0.11.2"}},
        },
    )
    (directory / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    (directory / "ab.txt").write_text(ab, encoding="utf-8")
    outcome = {"status": "ok", "error": "", "wall_s": 12.3, "virtual_s": 0.5, "kernel_warnings": []}
    write_json(directory / "outcome.json", outcome)
    return directory


def change_json(path: Path, **changes: object) -> None:
    """Replace keys of a JSON object in place."""
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | changes)


def page_size_summary(
    protocol: str, kilobytes: int, goodput_mbps: float, *, seed: int = 1, clock: str = "virtual", **changes: Any
) -> PointSummary:
    """A valid point of Fig. 7."""
    fields: dict[str, Any] = {
        "id": f"fig07-{protocol}-{kilobytes}KB-seed{seed}", "experiment": "fig07", "figure": "7",
        "title": "HTTP downloads", "plot": "page-size", "parts": names_of("load-balancer"), "protocol": protocol,
        "clock": clock, "object_bytes": kilobytes * 1000, "seed": seed, "parameters": {"requests": 200},
        "goodput_bps": goodput_mbps * 1e6, "wire_limit_bps": 94.1e6 if protocol == "tcp" else 925e6,
        "requests_per_s": goodput_mbps * 1e6 / 8 / (kilobytes * 1000), "complete_requests": 200, "failed_requests": 0,
        "connections": 200, "joined": 200 if protocol == "mptcp" else 0, "director_bypass_share": 0.0, "resets": 0,
        "resets_received": 0, "virtual_s": 7.1, "wall_s": 10.2, "valid": True,
        "traits": traits_of("load-balancer", protocol, {}),
    }  # fmt: skip
    return PointSummary(**(fields | changes))


def timeline_summary(protocol: str, *, seed: int = 1, seconds: int = 30, **changes: Any) -> PointSummary:
    """A valid point of Fig. 13 or 14 with a server out from second 10 to 15 (and one more until the end)."""
    tcp = protocol == "tcp"
    out = [10 <= t < 15 or t >= 25 for t in range(seconds)]
    bits = tuple(1_900_000_000 if tcp and is_out else 2_860_000_000 + seed for is_out in out)
    received = tuple((120 if t in (10, 25) else 40 if t == 15 else 0) if tcp else 0 for t in range(seconds))
    churn = (
        Churn(10.0, "server-removed", "s1"), Churn(15.0, "server-added", "s1"), Churn(25.0, "server-removed", "s2"),
    )  # fmt: skip
    fields: dict[str, Any] = {
        "id": f"fig13-{protocol}-seed{seed}", "experiment": "fig13" if tcp else "fig14",
        "figure": "13" if tcp else "14", "title": f"Anycast, {protocol.upper()}", "plot": "timeline",
        "parts": names_of("anycast"), "protocol": protocol, "clock": "virtual", "object_bytes": 100_000_000,
        "seed": seed,
        "goodput_bps": sum(bits) / seconds, "wire_limit_bps": 2_824e6, "requests_per_s": 3.0, "complete_requests": 90,
        "failed_requests": 0, "connections": 390, "joined": 0, "director_bypass_share": 0.0, "resets": 300,
        "resets_received": 280, "virtual_s": 31.0, "wall_s": 90.0, "valid": True,
        "per_second": SecondBySecond(bits, tuple(r + r // 4 for r in received), received, churn),
    }  # fmt: skip
    return PointSummary(**(fields | changes))


def ablation_summary(
    variant: str, *, condition: str = "1 % loss", waits_s: tuple[float, ...] = (), connections: int = 4, **changes: Any
) -> PointSummary:
    """A valid point of an ablation: of `connections`, so many as `waits_s` has values got a join, at those times."""
    mptcp = variant != "TCP"
    fields: dict[str, Any] = {
        "id": f"mine-{variant}-seed1", "experiment": "mine", "figure": "", "title": "Schemes", "plot": "ablation",
        "variant": variant, "condition": condition,
        "connections": connections, "joined": len(waits_s), "director_bypass_share": 0.9 if waits_s else 0.0,
        "joins": Joins(connections if mptcp else 0, len(waits_s), int(mptcp and not waits_s), 0, 0),
        "waits": Waits(connections if mptcp else 0, waits_s, tuple(wait + 0.02 for wait in waits_s)),
    }  # fmt: skip
    return page_size_summary("mptcp" if mptcp else "tcp", 1000, 90.0, **(fields | changes))
