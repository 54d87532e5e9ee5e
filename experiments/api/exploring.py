"""Cases of an exploration, run in labs: shared out in batches, each with the base line between its cases."""

from __future__ import annotations

import json
import queue
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from analysis.flows.passages import Described, describe, digest
from analysis.flows.passages_in_captures import Agreement, read_sides
from experiments import needs
from experiments.api.events import Listener, Notice, ignore
from experiments.composition import parts_of, write_code
from testbed.base import files
from testbed.base.errors import LabError, TestbedError, UsageError
from testbed.labs.base import Cancel, Job, Lab, last_line
from testbed.net import fault_injection
from testbed.record import exploration as record
from testbed.record.exploration import Case, Outcome, Request
from testbed.record.point import Point
from testbed.runs.tasks import Place

_AGENT = (sys.executable, "-m", "experiments.exploring_agent")
_BATCH = 100
"""Whatever the labs' cores are: when a case began may tell in its nanoseconds."""

_WALL_LIMIT_S, _CLOCK_LIMIT_S = 3600.0, 1e7
_BASE = "base-{}"


@dataclass(frozen=True)
class Seen:
    """A case, what came of it, and whether captures agree; at the servers they may not be comparable at all."""

    case: Case
    outcome: Outcome
    agreement: Agreement
    far_comparable: bool


def prepared(point: Point) -> Point:
    """The point as it can be explored: something sits in the middle of each path.

    Raises `UsageError` where that cannot be.
    """
    parts = parts_of(point)
    if point.clock != "virtual":
        raise UsageError(f"{point.id}: an exploration is in virtual time", hint="--clock virtual")
    if point.drop:
        raise UsageError(f"{point.id}: it loses packets by itself: [drop]", hint="another condition, or experiment")
    if parts.topology.delivery_share() < 1:
        raise UsageError(f"{point.id}: its links lose packets by chance", hint='--set of their loss to "0 %"')
    if parts.workload.sender != "server":
        raise UsageError(
            f"{point.id}: explored are downloads, and this uploads", hint="others: --only TEXT of their ids"
        )
    with parts.explained():
        changed = replace(parts, topology=parts.topology.with_a_middle())
        places = changed.topology.layout().towards_client
        if not 1 <= len(places) <= fault_injection.MOST_PLACES:
            what = f"{point.id}: its topology has {len(places)} places in front of the client"
            raise UsageError(what, hint=f"1 to {fault_injection.MOST_PLACES} can be watched: towards_client")
        return point.model_copy(update={"parts": changed.records()})


class Explorer:
    """Runs cases of a point in `places`; their raw data go to `out`, a folder for each batch.

    Each case must be over within `bound_s`.
    """

    def __init__(
        self,
        point: Point,
        places: Sequence[Place],
        out: Path,
        *,
        bound_s: float,
        listen: Listener = ignore,
        cancel: Cancel | None = None,
    ) -> None:
        self.point, self._out, self._bound_s = point, out, bound_s
        self._listen, self._cancel = listen, cancel or Cancel()
        self._labs: queue.Queue[Lab] = queue.Queue()
        for place in places:
            place.lab.require(needs.of_point(point) | fault_injection.NEEDS)
            for _ in range(place.width + place.ahead):
                self._labs.put(place.lab)
        self._width = self._labs.qsize()
        self._numbers = count(1)
        self._first: list[Described] = []
        self._servers: frozenset[str] = frozenset()
        self.base_lines = 0
        self.alike: int | None = None
        """So many packets of each base line must be those of the first; None: all of them."""

    def base(self) -> Seen:
        """The base line alone."""
        (found,) = self._batch([])
        return found

    def run(self, cases: Sequence[Case], *, alone: bool = False, every: int = _BATCH) -> dict[str, Seen]:
        """The cases by their ids; with `alone` each in a boot of its own. The base line comes after `every` so many.

        Raises `LabError` where one of the base lines between them is not as the first.
        """
        size = 1 if alone else _BATCH
        batches = [cases[begin : begin + size] for begin in range(0, len(cases), size)]
        with ThreadPoolExecutor(self._width) as pool:
            found: dict[str, Seen] = {}
            try:
                futures = [pool.submit(self._batch, batch, every) for batch in batches]
                for future in futures:
                    found |= {seen.case.id: seen for seen in future.result() if not seen.case.is_base}
                    if len(batches) > 1 and not alone:
                        self._listen(Notice(f"{self.point.id}: {len(found)} of {len(cases)} cases"))
            except BaseException:
                self._cancel.set()
                raise
        return found

    def _batch(self, cases: Sequence[Case], every: int = _BATCH) -> list[Seen]:
        number = next(self._numbers)
        output = self._out / f"{number:04d}"
        output.mkdir(parents=True)
        wanted = list(_with_base_lines(cases, every))
        request = Request(point=json.loads(self.point.to_json()), cases=tuple(wanted), bound_s=self._bound_s)
        files.write_text(output / record.REQUEST, json.dumps(request.fields()))
        write_code(parts_of(self.point), output)
        lab = self._labs.get()
        try:
            self._run(lab, output)
        finally:
            self._labs.put(lab)
        return self._read(wanted, output)

    def _run(self, lab: Lab, output: Path) -> None:
        errors = bytearray()
        job = Job(_AGENT, output, wall_limit_s=_WALL_LIMIT_S, clock_limit_s=_CLOCK_LIMIT_S, seed=self.point.seed)
        result = lab.run(job, stderr=errors.extend, cancel=self._cancel)
        if result.status != 0:
            raise LabError(f"{output.name}: the cases ended with status {result.status}: {last_line(errors)}")

    def _read(self, wanted: Sequence[Case], output: Path) -> list[Seen]:
        outcomes = record.read_outcomes(output)
        captures = record.read_capture_list(output)
        if captures.dropped:
            raise TestbedError(f"{output.name}: captures lost {captures.dropped} packets", hint="fewer packets a case")
        sides = read_sides(output, captures)
        for case in wanted:
            if case.is_base:
                self._compare(outcomes[case.id], output)
        far = sides.is_far_comparable(outcomes[wanted[0].id])
        return [Seen(case, outcomes[case.id], sides.agreement(outcomes[case.id]), far) for case in wanted]

    def _compare(self, outcome: Outcome, output: Path) -> None:
        """Raise `LabError` unless a base line has the packets of the others, and came to the same server."""
        found, servers = describe(outcome.passages()), serving(outcome)
        self._first, self._servers = self._first or found, self._servers or servers
        self.base_lines += 1
        if digest(found[: self.alike]) != digest(self._first[: self.alike]) or servers != self._servers:
            raise LabError(
                f"{output.name}: {outcome.id}: the connection without a fault is not the same as before",
                hint="a case leaves something behind: please report it",
            )


def serving(outcome: Outcome) -> frozenset[str]:
    """The servers that a connection came to: whose kernels have accepted it, or a subflow of it."""
    return frozenset(name for name, counts in outcome.counters.items() if counts.get("TcpPassiveOpens"))


def _with_base_lines(cases: Sequence[Case], every: int) -> Iterable[Case]:
    """The base line first and last, and after `every` so many cases."""
    numbers = count(1)
    yield Case(id=_BASE.format(next(numbers)))
    for begin in range(0, len(cases), every):
        yield from cases[begin : begin + every]
        yield Case(id=_BASE.format(next(numbers)))
