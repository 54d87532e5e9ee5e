"""The sanity rules: why a point's figures must not be taken at face value (design invariant 7).

Enters: what was read of one point, with None for what could not be read. Leaves: the reasons why the point is
invalid, one line each; none for a valid one. A point whose files cannot be read is invalid by the errors that
reading them raised.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analysis.flows.connections import Traffic
from analysis.flows.series import Window
from analysis.summary.model import Fidelity
from testbed.record.ab import AbResult
from testbed.record.captures import CaptureFile
from testbed.record.outcome import Outcome
from testbed.record.point import Point

MUST_JOIN_BYTES = 1_000_000
"""An MPTCP connection that moves this much lasts long enough to have got its second subflow."""


@dataclass(frozen=True)
class Capture:
    """One capture: what tcpdump said of it, and what was found in it."""

    file: CaptureFile
    records: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """Everything the rules look at; None stands for what could not be read."""

    point: Point
    outcome: Outcome | None
    window: Window | None
    ab: AbResult | None
    captures: Sequence[Capture] | None
    traffic: Traffic | None
    injected_drops: int | None = None
    fidelity: Fidelity | None = None


def reasons(evidence: Evidence) -> list[str]:
    """Why the point is invalid, in the order of the rules; empty for a valid point."""
    return [
        *_run(evidence),
        *_captures(evidence.captures),
        *_workload(evidence),
        *_paths(evidence),
        *_injector(evidence),
        *_fidelity(evidence),
    ]


def _run(evidence: Evidence) -> Iterator[str]:
    outcome = evidence.outcome
    if outcome is None:
        return
    if not outcome.ok:
        yield f"the run failed: {outcome.error or 'no reason given'}"
    if outcome.kernel_warnings:
        first, more = outcome.kernel_warnings[0].strip(), len(outcome.kernel_warnings) - 1
        yield f"kernel warning in the log: {first}" + (f" (and {more} more)" if more else "")


def _captures(captures: Sequence[Capture] | None) -> Iterator[str]:
    if captures is None:
        return
    if not captures:
        yield "no capture was taken"
    for capture in captures:
        if capture.file.dropped > 0:
            yield f"capture drops: {capture.file.dropped} packets on {capture.file.interface}"
        yield from (f"capture is not whole: {warning}" for warning in capture.warnings)
        if not capture.warnings and capture.records < capture.file.captured:
            missing = capture.file.captured - capture.records
            yield f"capture is not whole: {capture.file.file}: {missing} of {capture.file.captured} packets are missing"
        elif not capture.warnings and capture.records > capture.file.captured:
            yield f"{capture.file.file}: {capture.records} packets, but tcpdump captured {capture.file.captured}"


def _workload(evidence: Evidence) -> Iterator[str]:
    point, ab, window = evidence.point, evidence.ab, evidence.window
    planned_s = point.traits.planned_s
    if window is not None and not window.ended:
        yield "the workload's end is not in events.jsonl"
    elif window is not None and planned_s is not None and window.duration_s < planned_s - 1:
        yield f"the workload ended after {window.duration_s:.1f} of {planned_s:g} s"
    if ab is None:
        return
    if ab.non_2xx_responses:
        yield f"responses other than 2xx: {ab.non_2xx_responses}"
    if point.traits.ends_by == "time":
        # The first to end may have been cut short, and ab takes its length for the document's.
        return
    if point.is_upload:
        if ab.sent_bytes < ab.complete_requests * point.object_bytes:
            yield f"uploads: {ab.sent_bytes} bytes sent, fewer than {ab.complete_requests} x {point.object_bytes}"
    elif ab.complete_requests and ab.document_length_bytes != point.object_bytes:
        yield f"document length: {ab.document_length_bytes} bytes, but the object has {point.object_bytes}"
    if failed := ab.failed_requests(point.object_bytes):
        yield f"failed requests: {failed} of {ab.complete_requests}"
    requests = point.traits.requests
    if requests is not None and ab.complete_requests != requests:
        yield f"requests: {ab.complete_requests} of {requests} complete"


def _paths(evidence: Evidence) -> Iterator[str]:
    traffic, protocol = evidence.traffic, evidence.point.protocol
    if traffic is None:
        return
    if not traffic.opened:
        yield "no connection to the service address in the captures"
        return
    seen = traffic.bytes_via_director + traffic.bytes_past_director
    if not seen + traffic.bytes_unlisted + traffic.bytes_off_path:
        yield "no payload in the captures"
    if traffic.bytes_unlisted:
        yield f"wrong path: {traffic.bytes_unlisted} bytes from addresses that the point does not have"
    if traffic.packets_off_path:
        packets = f"{traffic.packets_off_path} packets ({traffic.bytes_off_path} bytes)"
        yield f"wrong path: {packets} at an interface of the client where the point has no path for their address"
    if protocol == "tcp" and traffic.bytes_at_unique:
        yield f"wrong path: {traffic.bytes_at_unique} bytes past the director in a TCP point"
    if protocol == "mptcp" and traffic.fallen_back:
        yield f"fell back to TCP: {traffic.fallen_back} of {traffic.opened} connections"
    alone = traffic.never_joined(MUST_JOIN_BYTES)
    excused = _joins_that_loss_prevents(evidence.point, traffic.mptcp_connections)
    if evidence.point.traits.must_join and alone > excused:
        reason = f"joins missing: {alone} of {traffic.mptcp_connections}"
        yield f"{reason}, the links' loss explains at most {excused}" if excused else reason


def _joins_that_loss_prevents(point: Point, connections: int) -> int:
    """Connections that may stay without a join because a packet of the exchange was lost: mean and four deviations.

    A lost ADD_ADDR is repeated after a second at the earliest, when a page of a megabyte has long been loaded.
    """
    through = point.traits.delivery_share
    mean = connections * (1 - through)
    return math.floor(mean + 4 * math.sqrt(mean))


def _injector(evidence: Evidence) -> Iterator[str]:
    if evidence.injected_drops == 0:
        occurrence = evidence.point.number("drop_occurrence") or 1
        which = f" number {occurrence:g}" if occurrence > 1 else ""
        yield f"the loss injector dropped nothing: no {evidence.point.drop_packet}{which} came by"
    elif evidence.injected_drops and evidence.traffic is not None:
        connections = evidence.traffic.mptcp_connections
        if evidence.injected_drops > connections:
            yield f"the loss injector dropped {evidence.injected_drops} packets of {connections} connections"


def _fidelity(evidence: Evidence) -> Iterator[str]:
    if evidence.fidelity is not None:
        yield from (f"fidelity: {problem}" for problem in evidence.fidelity.problems)
