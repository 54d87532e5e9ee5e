"""From the raw directory of a point to its summary and its tables.

A point that cannot be analysed becomes an invalid summary that says why; it never stops the others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pyarrow as pa

from analysis.flows.addresses import ipv6_of, networks_of, of_point
from analysis.flows.connections import Traffic, find_connections
from analysis.flows.joins import join_outcomes, waits
from analysis.flows.observation import Observation
from analysis.flows.paths import path_table
from analysis.flows.series import Window, per_second, resets_within, workload_window
from analysis.pcap import Packets
from analysis.summary import event_rules, fidelity, point_tables, validity
from analysis.summary.at_client import Attempts, read_at_client
from analysis.summary.at_directors import read_at_directors
from analysis.summary.balancing import with_balancing
from analysis.summary.disagreements import with_disagreements
from analysis.summary.explanations import with_explanations
from analysis.summary.kept import read_kept
from analysis.summary.kernel_trace import read_kernel_trace
from analysis.summary.model import (
    Churn,
    FailedRequests,
    PointSummary,
    SecondBySecond,
)
from analysis.summary.point_tables import Sources
from analysis.summary.reroutings import with_reroutings
from analysis.summary.traced_resets import with_traced_resets
from analysis.tables.packets import tabulate_packets
from testbed.base.errors import AnalysisError
from testbed.record import reading
from testbed.record.ab import FILE as AB
from testbed.record.ab import MEANWHILE, AbResult, read_ab
from testbed.record.addresses import read_addresses
from testbed.record.counters import read_counters, read_samples
from testbed.record.events import Event, changes, read_events
from testbed.record.host_load import read_host_load
from testbed.record.loss_injection import read_injected_losses
from testbed.record.outcome import read_outcome
from testbed.record.point import Point, read_point
from testbed.record.protection import read_protection
from testbed.record.routes import read_routes
from testbed.record.settings import read_kernel
from testbed.record.syns import read_half_open, read_tallies


@dataclass(frozen=True, eq=False)
class PointAnalysis:
    """What comes of one point: its summary, and its tables by name."""

    summary: PointSummary
    tables: Mapping[str, pa.Table]


def analyse_point(point_dir: Path, waits_of: Collection[str] = ()) -> PointSummary:
    """The summary of one raw directory; what is wrong with it is in `invalid_reasons`, never an exception.

    It lists the waits of every connection if the point's `plot` is among `waits_of`: there may be 400,000.
    """
    return analyse_point_fully(point_dir, waits_of).summary


def analyse_point_fully(point_dir: Path, waits_of: Collection[str] = ()) -> PointAnalysis:
    """The summary and the tables of one raw directory; never an exception, otherwise as `analyse_point`."""
    try:
        point = read_point(point_dir)
    except AnalysisError as error:
        return without_tables(PointSummary(id=point_dir.name, invalid_reasons=(str(error),)))
    summary = _of_point(point)
    try:
        if (kept := read_kept(point_dir)) is not None:
            return PointAnalysis(*kept)
        summary, sources = _analyse(point_dir, point, summary)
        if point.plot in waits_of and sources.traffic is not None:
            summary = replace(summary, waits=waits(sources.traffic))
        tables = point_tables.of_point(summary, sources)
        summary = with_balancing(with_traced_resets(summary, tables["resets"]), sources, tables)
        summary = with_disagreements(with_explanations(summary, tables), tables["reconciliation"])
        summary = with_reroutings(summary, sources, tables)
        return PointAnalysis(summary, tables)
    # A fault of this room in one point must not cost the user the other points of a long run.
    except Exception as error:
        reasons = (*summary.invalid_reasons, f"the analysis failed: {type(error).__name__}: {error}")
        return without_tables(replace(summary, valid=False, invalid_reasons=reasons))


def observe_point(point_dir: Path) -> tuple[PointSummary, Sources, Observation]:
    """What was read of a point, and its packets with all that is made of them.

    Raises AnalysisError where the captures cannot be read, or are gone.
    """
    point = read_point(point_dir)
    if read_kept(point_dir) is not None:
        what = f'{point_dir}: no packets: its captures were not kept ([capture] keep = "tables")'
        raise AnalysisError(what, hint="run it again with --set capture.keep=headers")
    summary, sources = _analyse(point_dir, point, _of_point(point))
    observed = point_tables.observation(point.id, sources)
    if observed is None:
        raise AnalysisError(f"{point_dir}: no packets: {'; '.join(summary.invalid_reasons) or 'no captures'}")
    return summary, sources, observed


def connection_packets(point_dir: Path, connection: int | None) -> pa.Table:
    """The packets of one connection of a point, by its number in the table `connections`; None: of all of them.

    Raises as `observe_point`.
    """
    return tabulate_packets(observe_point(point_dir)[2], connection)


def without_tables(summary: PointSummary) -> PointAnalysis:
    """The analysis of a point that has nothing but its summary."""
    return PointAnalysis(summary, point_tables.of_summary(summary))


def _of_point(point: Point) -> PointSummary:
    return PointSummary(
        id=point.id,
        experiment=point.experiment,
        figure=point.figure,
        title=point.title,
        plot=point.plot,
        parts=point.names,
        scheme=point.scheme,
        variant=point.variant,
        condition=point.condition,
        conditions=point.conditions,
        sweep=point.sweep,
        protocol=point.protocol,
        clock=point.clock,
        profile=point.profile,
        object_bytes=point.object_bytes,
        seed=point.seed,
        parameters=point.parameters,
        wire_limit_bps=point.wire_limit_bps,
        traits=point.traits,
    )


def _analyse(directory: Path, point: Point, summary: PointSummary) -> tuple[PointSummary, Sources]:
    attempt = Attempts()

    outcome = attempt(partial(read_outcome, directory))
    events = attempt(partial(read_events, directory))
    window = None if events is None else attempt(partial(workload_window, events, point.traits.planned_s))
    ab = attempt(partial(read_ab, directory / AB))
    if reading.is_there(directory / MEANWHILE) and (loaded := attempt(partial(read_ab, directory / MEANWHILE))):
        summary = replace(summary, meanwhile_goodput_bps=loaded.goodput_bps)
    plan = attempt(partial(read_addresses, directory))
    addresses, ipv6 = (None, []) if plan is None else (of_point(plan), ipv6_of(plan))
    networks = networks_of(plan) if plan else {}
    at_client = read_at_client(directory, point, attempt, ipv6, networks)
    files, captures, packets = at_client.files, at_client.captures, at_client.packets
    recorded = attempt(partial(read_at_directors, directory))
    if recorded is not None and captures is not None:
        captures = [*captures, *recorded.captures]
    traffic = None
    if packets is not None and addresses is not None:
        paths = path_table(point.traits.paths, at_client.interfaces)
        seen = None if recorded is None else recorded.sightings(point, packets)
        traffic = find_connections(packets, addresses, upload=point.is_upload, paths=paths, seen=seen)

    trace = attempt(partial(read_kernel_trace, directory, point))
    routes = attempt(partial(read_routes, directory))
    counters = attempt(partial(read_counters, directory))
    samples = attempt(partial(read_samples, directory))
    servers = plan.servers if plan else ()
    server_packets = attempt(partial(point_tables.read_server_packets, directory, servers, ipv6, networks))
    losses = attempt(partial(read_injected_losses, directory)) if point.drop_packet else None
    drops = None if losses is None else losses.dropped
    made_up, kept = attempt(partial(read_tallies, directory)), attempt(partial(read_protection, directory))
    waiting = attempt(partial(read_half_open, directory))
    load = attempt(partial(read_host_load, directory))
    kernel = attempt(partial(read_kernel, directory))
    verdict = None
    if load is not None and window is not None and packets is not None and traffic is not None and files is not None:
        verdict = fidelity.judge(
            point, window=window, events=events or (), load=load, files=files, packets=packets, sides=traffic.sides
        )
    evidence = validity.Evidence(
        point=point,
        outcome=outcome,
        window=window,
        ab=ab,
        captures=captures,
        traffic=traffic,
        injected_drops=drops,
        fidelity=verdict,
    )
    # A run that failed explains by itself why files are missing.
    failed = outcome is not None and not outcome.ok
    found_wrong = [
        *([] if failed else attempt.unreadable),
        *([] if failed else event_rules.problems(point, events or (), plan.servers if plan else None, window, packets)),
        *validity.reasons(evidence),
        *(trace.reasons() if trace else ()),
    ]
    summary = replace(summary, injected_drops=drops, fidelity=verdict, kernel=kernel or "")
    summary = replace(summary, syns=made_up or (), half_open=waiting, protection=kept.together if kept else {})
    if outcome is not None:
        summary = replace(summary, virtual_s=outcome.virtual_s, wall_s=outcome.wall_s, shared_boot=outcome.shared_boot)
    if ab is not None:
        summary = _with_ab(summary, point, ab)
    if packets is not None and traffic is not None:
        summary = _with_traffic(summary, packets=packets, traffic=traffic, window=window, events=events or ())
    sources = Sources(
        point=point,
        directory=directory,
        window=window,
        events=events or (),
        ab=ab,
        addresses=addresses,
        packets=packets,
        traffic=traffic,
        counters=counters,
        samples=samples or (),
        server_packets=server_packets or {},
        recorded=recorded,
        trace=trace,
        routes=routes or (),
    )
    return replace(summary, valid=not found_wrong, invalid_reasons=tuple(found_wrong)), sources


def _with_ab(summary: PointSummary, point: Point, ab: AbResult) -> PointSummary:
    parts, object_bytes = ab.failures, point.object_bytes
    goodput_bps = ab.upload_goodput_bps(object_bytes) if point.is_upload else ab.goodput_bps
    return replace(
        summary,
        # An unfinished download is in no total that means something: the figure is then the links'.
        goodput_bps=None if summary.traits.per_second else goodput_bps,
        requests_per_s=ab.complete_requests / ab.duration_s if ab.duration_s > 0 else None,
        complete_requests=ab.complete_requests,
        failed_requests=ab.failed_requests(object_bytes),
        ab_failures=FailedRequests(
            reported=ab.reported_failures,
            connect=parts.connect,
            receive=parts.receive,
            length=parts.length,
            exceptions=parts.exceptions,
        ),
    )


def _with_traffic(
    summary: PointSummary, packets: Packets, traffic: Traffic, window: Window | None, events: Sequence[Event]
) -> PointSummary:
    is_mptcp = summary.protocol == "mptcp"
    summary = replace(
        summary,
        connections=traffic.mptcp_connections if is_mptcp else traffic.opened,
        joined=traffic.joined if is_mptcp else 0,
        joins=join_outcomes(traffic),
        director_bypass_share=traffic.director_bypass_share,
    )
    if window is None:
        return summary
    seen, received = resets_within(packets, traffic, window)
    summary = replace(summary, resets=seen, resets_received=received)
    if not summary.traits.per_second:
        return summary
    series = per_second(packets, traffic, window)
    bits = series.utilisation_bps
    return replace(
        summary,
        goodput_bps=sum(bits) / len(bits) if bits else None,
        per_second=SecondBySecond(
            bits,
            series.resets,
            series.resets_received,
            tuple(Churn(event.t_s, event.event, event.whom) for event in changes(events)),
        ),
    )
