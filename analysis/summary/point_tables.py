"""All tables of one point: what the captures say (`analysis.tables.of_captures`), and what `ab` and the lab said.

Enters: a point's summary and the pieces that were read for it; None for what could not be read. Leaves: Arrow tables.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.flows.addresses import Addresses
from analysis.flows.connections import Traffic
from analysis.flows.counter_series import sent_resets
from analysis.flows.observation import Observation
from analysis.flows.paths import SERVICE
from analysis.flows.series import Window
from analysis.flows.servers import ServerEvidence
from analysis.pcap import RST, Packets, is_plain, merge, read_stored_pcap, with_first_ipv6
from analysis.summary.at_directors import AtDirectors, directors_table, state_table
from analysis.summary.fidelity import directors_of
from analysis.summary.kernel_trace import KernelTrace
from analysis.summary.model import PointSummary
from analysis.tables import TABLES
from analysis.tables.director_reconciliation import passages, reconcile_passages, reconcile_paths
from analysis.tables.kernel import tabulate_kernel
from analysis.tables.of_captures import tabulate
from analysis.tables.reconciliation import (
    FailureCauses,
    Reconciliation,
    begun_in_workload,
    reconcile_failures,
    reconcile_requests,
    reconcile_resets,
    reconcile_server_captures,
)
from analysis.tables.routing import tabulate_rerouted, tabulate_routes
from testbed.base.errors import AnalysisError
from testbed.base.parts import KINDS
from testbed.record.ab import AbResult
from testbed.record.captures import AT_SERVERS, read_server_captures
from testbed.record.counters import Counters, Sample
from testbed.record.events import Event, changes
from testbed.record.point import Point
from testbed.record.reading import is_there
from testbed.record.routes import RouteChange

_AS_IN_SUMMARY = (
    "experiment", "figure", "title", "scheme", "variant", "condition", "protocol", "clock", "kernel", "object_bytes",
    "seed",
    "goodput_bps", "wire_limit_bps", "requests_per_s", "complete_requests", "failed_requests", "connections", "joined",
    "director_bypass_share", "resets", "resets_received", "virtual_s", "wall_s", "valid",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Sources:
    """What was read of one raw directory."""

    point: Point
    directory: Path | None = None
    window: Window | None = None
    events: Sequence[Event] = ()
    ab: AbResult | None = None
    addresses: Addresses | None = None
    packets: Packets | None = None
    traffic: Traffic | None = None
    counters: Counters | None = None
    samples: Sequence[Sample] = ()
    server_packets: dict[str, Packets] = dataclasses.field(default_factory=dict)
    recorded: AtDirectors | None = None
    trace: KernelTrace | None = None
    routes: Sequence[RouteChange] = ()


def read_server_packets(
    directory: Path, servers: Collection[str], ipv6: Sequence[bytes], networks: Mapping[bytes, bytes]
) -> dict[str, Packets]:
    """SYNs and RSTs (or all packets) as captured at each server, by its name; raises AnalysisError.

    All of the point's `servers` have captures if one has. The IPv6 addresses `ipv6` have the first numbers, and those
    in `networks` are taken for one, as at the client.
    """
    found: dict[str, list[Packets]] = {}
    for capture in read_server_captures(directory):
        found.setdefault(capture.node, []).append(read_stored_pcap(directory / capture.file))
    if is_there(directory / AT_SERVERS) and (lacking := sorted(set(servers) - found.keys())):
        raise AnalysisError(f"{AT_SERVERS}: no capture at {', '.join(lacking)}")
    merged = {node: merge(each) if len(each) > 1 else each[0] for node, each in found.items()}
    return {node: with_first_ipv6(packets, ipv6, networks) for node, packets in merged.items()}


def of_summary(summary: PointSummary, window: Window | None = None) -> dict[str, pa.Table]:
    """Every table, with one row in `points` and none elsewhere: a point of which nothing else could be read."""
    row: dict[str, Any] = {name: getattr(summary, name) for name in _AS_IN_SUMMARY}
    row |= {
        "point": summary.id,
        **{kind: summary.parts.get(kind) for kind in KINDS},
        "service_path": summary.traits.service_path,
        "ends_by": summary.traits.ends_by,
        "parameters": json.dumps(dict(summary.parameters), sort_keys=True),
        "invalid_reasons": "; ".join(summary.invalid_reasons),
        "start_ns": window and window.start_ns,
        "duration_s": window and window.duration_s,
    }
    return {name: table.empty() for name, table in TABLES.items()} | {"points": TABLES["points"].of_rows([row])}


def of_point(summary: PointSummary, sources: Sources) -> dict[str, pa.Table]:
    """Every table of a point."""
    point = summary.id
    tables = of_summary(summary, sources.window)
    tables["events"] = TABLES["events"].of_rows(
        {
            "point": point,
            "t_s": each.t_s,
            "event": each.event,
            **{name: getattr(each, name) or None for name in ("server", "director", "by", "link", "direction", "cost")},
        }
        for each in sources.events
    )
    tables["samples"] = _samples(point, sources.samples)
    tables["routes"] = tabulate_routes(point, sources.routes, sources.addresses)
    if sources.ab is not None:
        tables["requests"] = TABLES["requests"].of_rows([_requests(point, summary, sources.ab)])
        tables["percentiles"] = TABLES["percentiles"].of_rows(
            {"point": point, "percent": percent, "time_ms": time_ms}
            for percent, time_ms in sorted(sources.ab.percentiles_ms.items())
        )
    observed = observation(point, sources)
    if observed is not None:
        tables |= tabulate(observed)
        if sources.trace:
            tables |= tabulate_kernel(sources.trace.events, observed)
        if sources.routes:
            tables["rerouted"] = tabulate_rerouted(observed, tables["connections"], sources.routes)
        found = _reconciliation(observed, tables["connections"], sources)
        if recorded := sources.recorded:
            passed = passages(recorded.statistics, recorded.packets, recorded.links, observed.start_ns)
            tables["directors"] = directors_table(point, passed, recorded)
            tables["state"] = state_table(point, recorded.samples)
            found += reconcile_passages(passed, changed=bool(changes(sources.events)))
            found.append(reconcile_paths(observed.packets, observed.traffic))
        tables["reconciliation"] = TABLES["reconciliation"].of_rows(
            {"point": point, **dataclasses.asdict(each), "difference": each.counted - each.explained} for each in found
        )
    return tables


def observation(point: str, sources: Sources) -> Observation | None:
    """The packets of a point with what is known beside them; None where they could not be read."""
    window = sources.window
    if sources.packets is None or sources.traffic is None or sources.addresses is None or window is None:
        return None
    known = ServerEvidence(
        window.start_ns,
        sources.events,
        sources.server_packets,
        sent_resets(sources.samples, sources.counters.before if sources.counters else None),
        sources.recorded.sent_resets() if sources.recorded else {},
        directors_of(sources.point),
    )
    return Observation(
        point=point,
        packets=sources.packets,
        traffic=sources.traffic,
        addresses=sources.addresses,
        start_ns=window.start_ns,
        end_ns=window.end_ns,
        known=known,
        elsewhere=_at_servers(sources),
        files=_files(sources),
    )


def _files(sources: Sources) -> dict[int, Path]:
    """The captures of the client's interfaces whose payload can be read again."""
    if sources.directory is None or sources.packets is None:
        return {}
    paths = [sources.directory / each.file for each in sources.packets.interfaces]
    return {number: path for number, path in enumerate(paths) if is_plain(path)}


def _at_servers(sources: Sources) -> Packets | None:
    """All packets captured at the servers, as one place: each packet is at one of them. None if only some were."""
    trace = sources.point.trace
    if trace is None or not trace.servers or not sources.server_packets:
        return None
    packets = merge(list(sources.server_packets.values()))
    return dataclasses.replace(packets, places=(0,) * len(packets.interfaces))


def _requests(point: str, summary: PointSummary, ab: AbResult) -> dict[str, Any]:
    return {
        "point": point,
        "concurrency": ab.concurrency,
        "duration_s": ab.duration_s,
        "complete": ab.complete_requests,
        "failed": ab.failed_requests(summary.object_bytes),
        "reported_failures": ab.reported_failures,
        "connect_failures": ab.failures.connect,
        "receive_failures": ab.failures.receive,
        "length_failures": ab.failures.length,
        "exceptions": ab.failures.exceptions,
        "non_2xx": ab.non_2xx_responses,
        "total_bytes": ab.total_bytes,
        "html_bytes": ab.html_bytes,
        "document_bytes": ab.document_length_bytes,
    }


def _samples(point: str, samples: Sequence[Sample]) -> pa.Table:
    rows: list[tuple[float, str, str | None, str, int]] = []
    for sample in samples:
        client = next(iter(sample.counters), "")  # the lab samples the client first, and its interfaces only
        for interface, counters in sample.interfaces.items():
            if any(counters.values()):
                rows += [(sample.t_s, client, interface, name, value) for name, value in counters.items()]
        for node, counters in sample.counters.items():
            rows += [(sample.t_s, node, None, name, value) for name, value in counters.items()]
    names = ("t_s", "node", "interface", "counter", "value")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())
    return TABLES["samples"].of_columns({"point": [point] * len(rows), **columns})


def _reconciliation(observed: Observation, connections: pa.Table, sources: Sources) -> list[Reconciliation]:
    lossy = sources.point.traits.delivery_share < 1 or bool(sources.point.drop_packet)
    times_ns = observed.packets.time_ns[observed.resets.row]
    found = reconcile_resets(
        times_ns,
        resets=observed.resets,
        servers=list(observed.addresses.unique),
        counters=sources.counters,
        samples=sources.samples,
        known=observed.known,
        lossy=lossy,
    )
    if sources.server_packets:
        local = [observed.addresses.service, *chain.from_iterable(observed.addresses.local.values())]
        left_ns = np.concatenate(
            [
                each.time_ns[((each.flags & RST) != 0) & np.isin(each.src, local)]
                for each in sources.server_packets.values()
            ]
        )
        on_service = observed.traffic.flows.kind[observed.resets.flow] == SERVICE
        by_server = np.array([not observed.known.is_director(each) for each in observed.resets.sender], np.bool_)
        received_ns = times_ns[observed.resets.to_client & on_service & by_server]
        found.append(
            reconcile_server_captures(
                left_ns,
                received_ns=received_ns,
                counters=sources.counters,
                samples=sources.samples,
                start_ns=observed.start_ns,
                lossy=lossy,
            )
        )
    ab, end_ns = sources.ab, observed.end_ns
    if ab is None or end_ns is None:
        return found
    names = ["syn_s", "end", "bytes_to_server", "distinct_to_client", "reset"]
    rows = begun_in_workload(connections).select(names).to_pylist()
    object_bytes = sources.point.object_bytes
    used = [row for row in rows if row["bytes_to_server"]]
    short = [row for row in used if row["end"] == "closed" and row["distinct_to_client"] < object_bytes]
    fatal = [row["reset"] for row in rows if row["end"] == "reset" and row["reset"] is not None]
    causes = FailureCauses(
        ended_ns=[int(times_ns[number]) for number in fatal if observed.resets.to_client[number]],
        refused=sum(row["end"] == "refused" for row in rows),
        unanswered=sum(row["end"] == "unanswered" for row in rows),
        short=0 if sources.point.is_upload else len(short),
    )
    failed = ab.failed_requests(object_bytes)
    found.append(reconcile_failures(failed, causes, observed.start_ns, end_ns))
    is_cut_off = sources.point.traits.ends_by == "time"
    restarted = max(0, ab.failures.exceptions - ab.failures.receive)
    unused = 0 if is_cut_off else len(rows) - len(used)
    unfinished = ab.concurrency if is_cut_off else 0
    found.append(
        reconcile_requests(
            ab.complete_requests,
            restarted=restarted,
            unfinished=unfinished,
            connections=len(rows),
            unused=unused,
            begun=ab.concurrency - 1 if sources.point.is_upload and not is_cut_off else 0,
        )
    )
    return found
