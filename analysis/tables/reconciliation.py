"""Do the captures tell the same story as the kernels' counters and `ab`? One row per comparison.

Enters: RSTs as attributed, connections as they ended, counters, samples, ab's result. Leaves: `Reconciliation`s. One
that does not hold is a fault of the capture, of the attribution, or of the lab: never of the protocol under test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analysis.flows.counter_series import SENT_RESETS
from analysis.flows.resets import Resets
from analysis.flows.servers import ServerEvidence
from testbed.record.counters import Counters, Nodes, Sample

_NS = 1_000_000_000
_TRANSIT_S = 0.25
_SAMPLING_S = 0.001
"""How long it takes to read the counters of a sample."""

_CLOCK_S = 1e-6
"""The workload's start is a float of seconds since 1970: it may lie behind the SYN that followed it."""

_UNSEEN_S = 0.1
"""Resets so shortly before the workload's end may come too late for ab to count them."""


@dataclass(frozen=True)
class Reconciliation:
    """One comparison: an independent count, and what the captures say; `holds` is None where it cannot be judged."""

    quantity: str
    node: str | None
    counted: int
    explained: int
    holds: bool | None
    note: str


@dataclass(frozen=True)
class Reading:
    """Counters at a moment when nothing was under way: `t_ns` on the lab's clock."""

    values: Nodes
    t_ns: int
    name: str


def quiet_reading(
    counters: Counters, samples: Sequence[Sample], times_ns: NDArray[np.int64], start_ns: int, transit_s: float
) -> Reading | None:
    """The last reading of the counters with none of the RSTs at `times_ns` under way: none came for `transit_s`."""
    readings = [(sample.t_s, sample.t_s + _SAMPLING_S, sample.counters) for sample in samples]
    if counters.settled is not None and counters.settled_s is not None:  # at an unknown time it proves nothing
        readings.append((*counters.settled_s, counters.settled))
    for from_s, to_s, values in reversed(readings):
        t_ns, until_ns = (start_ns + round(second * _NS) for second in (from_s, to_s + transit_s))
        if not ((times_ns >= t_ns) & (times_ns <= until_ns)).any():
            return Reading(values, t_ns, f"at {from_s:.3f} s")
    return None


def reconcile_resets(
    times_ns: NDArray[np.int64],
    resets: Resets,
    servers: Sequence[str],
    counters: Counters | None,
    samples: Sequence[Sample],
    known: ServerEvidence,
    lossy: bool,
) -> list[Reconciliation]:
    """RSTs captured at the client against every node's count of sent RSTs; `times_ns` are those of the RSTs.

    A RST that was sent may have been lost: in its sender's own queue, which counts its drops, or on links that lose
    packets (`lossy`).
    """
    if counters is None:
        return []
    rows = []
    to_client = resets.to_client
    reading = quiet_reading(
        counters, samples=samples, times_ns=times_ns[to_client], start_ns=known.start_ns, transit_s=_TRANSIT_S
    )
    if reading is not None:
        received = np.flatnonzero(to_client & (times_ns <= reading.t_ns)).tolist()
        sent = {name: _grown(counters, reading, name) for name in servers}
        directors = [number for number in received if known.is_director(resets.sender[number])]
        received = [number for number in received if number not in set(directors)]
        by = [resets.sender[number].name for number in received]
        unnamed = by.count(None)
        total = sum(sent.values())
        note = f"{SENT_RESETS} of all servers {reading.name}, against RSTs that the client had received"
        rows.append(
            _sent(
                "RSTs from the servers",
                node=None,
                sent=total,
                captured=len(received),
                unnamed=0,
                drops=_drops(counters, servers),
                lossy=lossy,
                note=note,
            )
        )
        note = f"{SENT_RESETS} {reading.name}, against the RSTs attributed to it"
        rows += [
            _sent(
                "RSTs from one server",
                node=name,
                sent=count,
                captured=by.count(name),
                unnamed=unnamed,
                drops=_drops(counters, [name]),
                lossy=lossy,
                note=note,
            )
            for name, count in sent.items()
        ]
        if known.directors:
            sent_by = sum(known.directors.values())
            note = f"{SENT_RESETS} of the directors around the workload, against RSTs that left no server"
            rows.append(
                _sent(
                    "RSTs from the directors",
                    node=None,
                    sent=sent_by,
                    captured=len(directors),
                    unnamed=0,
                    drops=None,
                    lossy=lossy,
                    note=note,
                )
            )
    reading = quiet_reading(
        counters, samples=samples, times_ns=times_ns[~to_client], start_ns=known.start_ns, transit_s=0.0
    )
    if reading is not None:
        captured = int(np.count_nonzero(~to_client & (times_ns <= reading.t_ns)))
        note = f"{SENT_RESETS} {reading.name}, against RSTs from it at its own interfaces"
        for name in set(counters.before) - set(servers):
            count, drops = _grown(counters, reading, name), _drops(counters, [name])
            rows.append(
                _sent(
                    "RSTs from the client",
                    node=name,
                    sent=count,
                    captured=captured,
                    unnamed=0,
                    drops=drops,
                    lossy=False,
                    note=note,
                )
            )
    return rows


def reconcile_server_captures(
    left_ns: NDArray[np.int64],
    received_ns: NDArray[np.int64],
    counters: Counters | None,
    samples: Sequence[Sample],
    start_ns: int,
    lossy: bool,
) -> Reconciliation:
    """RSTs captured where they left the servers, on the way to the service's clients, against those that arrived.

    The captures do not end together: counted are those until the last reading of the counters with none under way.
    """
    note = "RSTs captured at the servers' interfaces, against RSTs from the service address at the client's"
    reading = (
        None
        if counters is None
        else quiet_reading(counters, samples=samples, times_ns=received_ns, start_ns=start_ns, transit_s=_TRANSIT_S)
    )
    if reading is not None:
        left_ns, received_ns = left_ns[left_ns <= reading.t_ns], received_ns[received_ns <= reading.t_ns]
        note += f", {reading.name}"
    left, received = len(left_ns), len(received_ns)
    holds = None if lossy and received < left else left == received
    return Reconciliation(
        quantity="RSTs that left the servers", node=None, counted=left, explained=received, holds=holds, note=note
    )


def _sent(
    quantity: str, node: str | None, sent: int, captured: int, unnamed: int, drops: int | None, lossy: bool, note: str
) -> Reconciliation:
    missing = sent - captured
    if missing < 0 or (missing > unnamed + (drops or 0) and drops is not None and not lossy):
        holds: bool | None = False
    elif missing == 0 and not unnamed:
        holds = True
    else:
        holds = None if unnamed or lossy or drops is None else True
    if unnamed:
        note += f"; {unnamed} RSTs could be given to none"
    if missing > 0 and drops is None:
        note += "; what the senders' own queues dropped was not recorded"
    elif missing > 0 and drops:
        note += f"; the senders' own queues dropped {drops} packets of all kinds"
    if missing > 0 and lossy:
        note += "; the links lose packets"
    return Reconciliation(quantity=quantity, node=node, counted=sent, explained=captured, holds=holds, note=note)


def _drops(counters: Counters, nodes: Sequence[str]) -> int | None:
    if counters.queue_drops is None:
        return None
    return sum(sum(counters.queue_drops.get(node, {}).values()) for node in nodes)


@dataclass(frozen=True)
class FailureCauses:
    """Connections in which a request may have failed: ended by a RST (at these times), refused by one, never answered,
    or closed by the server short of the object.
    """

    ended_ns: Sequence[int]
    refused: int = 0
    unanswered: int = 0
    short: int = 0


def reconcile_failures(failed: int, causes: FailureCauses, start_ns: int, end_ns: int) -> Reconciliation:
    """ab's failed requests against the connections that explain one, in a workload from `start_ns` to `end_ns`.

    ab may not have come to count a RST of the last moment, or a connection that was not answered when it ended.
    """
    inside = [t for t in causes.ended_ns if start_ns <= t <= end_ns]
    late = sum(t > end_ns - round(_UNSEEN_S * _NS) for t in inside)
    unseen = late + causes.unanswered
    explained = len(inside) + causes.refused + causes.unanswered + causes.short
    note = f"connections: {len(inside)} ended by a RST, {causes.refused} refused, {causes.unanswered} unanswered, "
    note += f"{causes.short} closed short"
    if failed < explained and explained - unseen <= failed:
        note += f"; {late} of the RSTs came in the last {_UNSEEN_S * 1000:.0f} ms, which ab may not have counted"
    return Reconciliation(
        quantity="failed requests",
        node=None,
        counted=failed,
        explained=explained,
        holds=explained - unseen <= failed <= explained,
        note=note,
    )


def begun_in_workload(connections: pa.Table) -> pa.Table:
    """The connections that can be those of ab's requests: whose SYN was captured, and not before the workload."""
    return connections.filter(pc.greater_equal(connections["syn_s"], -_CLOCK_S))


def reconcile_requests(
    complete: int, restarted: int, unfinished: int, connections: int, unused: int, begun: int = 0
) -> Reconciliation:
    """ab's requests against the connections of the captures.

    Beside the complete ones there are those that its end cut off, and `restarted` ones: after an error of the poll in
    the middle of a request ab connects again without counting it as complete (`test` in httpd's support/ab.c). Of
    uploads it counts one as begun when all of it is written, so that up to `begun` further ones are under way when the
    last has been answered.
    """
    note = (
        f"{complete} complete, {restarted} started again, {unfinished} cut off by ab's end; {connections} connections"
    )
    note += f", {unused} of them never used" if unused else ""
    counted, explained = complete + restarted + unfinished, connections - unused
    if begun and explained > counted:
        note += f"; up to {begun} further ones may have been under way"
    holds = counted <= explained <= counted + begun
    return Reconciliation(quantity="requests", node=None, counted=counted, explained=explained, holds=holds, note=note)


def _grown(counters: Counters, reading: Reading, node: str) -> int:
    def value(nodes: Mapping[str, Mapping[str, int]]) -> int:
        return nodes.get(node, {}).get(SENT_RESETS, 0)

    return value(reading.values) - value(counters.before)
