"""What page loads cost in instructions: an experiment's points in a machine that counts them (`testbed.labs.counting`).

What a request costs is the difference of two loads, a short and a longer one: what `ab` costs to start and to end
cancels out. One boot serves all points, several times over; those of a protocol (or a scheme) share a set-up.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import testbed
from experiments import needs
from experiments.api.events import Listener, Notice, ignore
from experiments.composition import parts_of
from experiments.workloads.page_loads import PageLoads
from testbed.base import files
from testbed.base.errors import LabError, UsageError
from testbed.labs import runtime_directory
from testbed.labs.base import Job, last_line
from testbed.labs.counting import counter, machine
from testbed.labs.counting.machine import Counted, Machine
from testbed.record import instructions as record
from testbed.record import model
from testbed.record.instructions import Counts, Instructions, Load, PointCount, Request, SetUp, Window
from testbed.record.point import Point

DEFAULT_REPEAT = 3

_AGENT = (sys.executable, "-m", "experiments.counting_agent")
_WALL_LIMIT_S = 7200.0
_CLOCK_LIMIT_S = 1e6  # an idle machine's clock runs ahead
# Enough for what a start costs to vanish, which is now more, now less: some 100 million instructions.
_BYTES = 50_000_000
_FEWEST, _MOST = 10, 1000


def count_instructions(points: Sequence[Point], *, repeat: int = DEFAULT_REPEAT, listen: Listener = ignore) -> Counts:
    """Count what a request of each point takes, `repeat` times.

    Raises `UsageError` for a point that is no download of pages, `PrerequisiteError` where QEMU, the kernel or what a
    point needs is missing, and `LabError` for a machine that fails.
    """
    groups = grouped(points)
    found = machine.find()
    found.require(frozenset().union(*map(needs.of_point, points)))
    windows, done = _run(found, groups, repeat, listen)
    return Counts(
        toolkit=testbed.__version__,
        qemu=".".join(map(str, counter.qemu_version())),
        kernel=dict(found.kernel.facts()),
        points=tuple(per_request(point, windows, done) for group in groups for point in group),
    )


def grouped(points: Sequence[Point]) -> list[list[Point]]:
    """The points that one set-up serves, since they differ in the pages' size alone; raises `UsageError`."""
    groups: defaultdict[tuple[str, ...], list[Point]] = defaultdict(list)
    for point in points:
        workload = parts_of(point).workload
        if not isinstance(workload, PageLoads) or workload.direction != "download" or workload.large_reads:
            raise UsageError(
                f"{point.id}: instructions are counted of page loads alone, downloads with ab as it is",
                hint="testbed count-instructions fig06",
            )
        groups[point.experiment, point.condition, point.variant, point.protocol, str(point.seed)].append(point)
    return list(groups.values())


def loads_of(points: Sequence[Point], repeat: int) -> tuple[Load, ...]:
    """For each repeat and point a short load, and one with the requests that count on top.

    Of TCP past the director, too: the difference is the director's work.
    """
    found = []
    for _ in range(repeat):
        for point in points:
            few = _few(point)
            for past in (False, True) if point.protocol == "tcp" else (False,):
                found += [
                    Load(point=point.id, requests=requests, past_director=past)
                    for requests in (few, few + counted_of(point))
                ]
    return tuple(found)


def counted_of(point: Point) -> int:
    """How many requests count: of large pages fewer."""
    return max(_FEWEST, min(_MOST, _BYTES // max(point.object_bytes, 1)))


def _few(point: Point) -> int:
    workload = parts_of(point).workload
    assert isinstance(workload, PageLoads)
    return workload.concurrency


def _run(
    found: Machine, groups: Sequence[Sequence[Point]], repeat: int, listen: Listener
) -> tuple[list[Window], Counted]:
    set_ups = [
        SetUp(points=tuple(json.loads(point.to_json()) for point in group), loads=loads_of(group, repeat))
        for group in groups
    ]
    total = sum(len(each.loads) for each in set_ups)
    listen(Notice(f"counting: {total} loads in a machine that QEMU emulates, which takes minutes"))
    errors = bytearray()
    with runtime_directory.temporary() as scratch:
        output = Path(scratch)
        files.write_text(output / record.REQUEST, json.dumps(Request(set_ups=tuple(set_ups)).fields()))
        seed = groups[0][0].seed
        job = Job(_AGENT, output, wall_limit_s=_WALL_LIMIT_S, clock_limit_s=_CLOCK_LIMIT_S, seed=seed)
        done = found.run(job, stdout=_Lines(total, listen).hear, stderr=errors.extend)
        if done.result.status != 0:
            raise LabError(f"the loads ended with status {done.result.status}: {last_line(errors)}")
        if done.result.kernel_warnings:
            raise LabError(f"the machine's kernel complains: {done.result.kernel_warnings[0]}")
        return list(model.read_list(Window, output / record.WINDOWS)), done


class _Lines:
    """Makes of what the agent prints, a line a load, notices with how many there will be."""

    def __init__(self, total: int, listen: Listener) -> None:
        self._total, self._listen = total, listen
        self._heard, self._rest = 0, b""

    def hear(self, data: bytes) -> None:
        """Tell of the lines that are whole."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._heard += 1
            self._listen(Notice(f"[{self._heard}/{self._total}] {line.decode(errors='replace').strip()}"))


def per_request(point: Point, windows: Sequence[Window], done: Counted) -> PointCount:
    """What a request of the point took, repeat by repeat; raises `LabError` where marks are missing."""
    if len(done.marks) != 2 * len(windows):
        raise LabError(f"{len(done.marks)} marks were counted, of {2 * len(windows)}")
    pairs = zip(windows, done.marks[::2], done.marks[1::2], strict=True)
    mine = [
        (window.load, after.programs - before.programs, after.kernel - before.kernel)
        for window, before, after in pairs
        if window.load.point == point.id
    ]

    def of(past_director: bool) -> Instructions:
        found = [each for each in mine if each[0].past_director == past_director]
        costs = [
            ((many[1] - few[1]) / requests, (many[2] - few[2]) / requests)
            for few, many in zip(found[::2], found[1::2], strict=True)
        ]
        return Instructions(programs=tuple(cost[0] for cost in costs), kernel=tuple(cost[1] for cost in costs))

    requests = mine[1][0].requests - mine[0][0].requests
    own = [window for window in windows if window.load.point == point.id]
    connections = sum(window.connections for window in own)
    return PointCount(
        id=point.id,
        experiment=point.experiment,
        condition=point.condition,
        protocol=point.protocol,
        scheme=point.scheme,
        variant=point.variant,
        object_bytes=point.object_bytes,
        wire_limit_bps=point.wire_limit_bps,
        requests=requests,
        joins=sum(window.joins for window in own) / connections if connections else None,
        cost=of(past_director=False),
        past_director=of(past_director=True) if point.protocol == "tcp" else None,
    )
