"""Counting instructions: which points, which loads, and what is left of their counts when the start is taken off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest

from experiments import api
from experiments.api import instructions
from experiments.cli import main
from testbed.base.errors import LabError, UsageError
from testbed.labs.base import JobResult
from testbed.labs.counting.machine import Counted
from testbed.labs.counting.marks import Executed
from testbed.record.instructions import Counts, Instructions, Load, PointCount, Window
from testbed.record.point import Point

SIZES = 'workload.sizes=["10 KB", "10000 KB"]'


def points(*schemes: str) -> list[Point]:
    return api.plan(["fig06"], overrides=[SIZES], clocks=("virtual",), schemes=schemes)


def status_of(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main.main(list(arguments))
    return ended.value.code


def test_one_set_up_serves_all_sizes_of_a_protocol_and_scheme() -> None:
    groups = instructions.grouped(points("paper", "upstream"))
    assert [[(each.protocol, each.scheme, each.object_bytes) for each in group] for group in groups] == [
        [("tcp", "", 10_000), ("tcp", "", 10_000_000)],
        [("mptcp", "paper", 10_000), ("mptcp", "paper", 10_000_000)],
        [("mptcp", "upstream", 10_000), ("mptcp", "upstream", 10_000_000)],
    ]


@pytest.mark.parametrize("experiment", ["fig14", "upload"])
def test_what_is_no_download_of_pages_is_refused(experiment: str) -> None:
    planned = api.plan([experiment], clocks=("virtual",))
    with pytest.raises(UsageError, match="counted of page loads alone"):
        api.count_instructions(planned)


def test_a_short_load_comes_before_each_that_counts() -> None:
    tcp, mptcp = instructions.grouped(points("paper"))
    small, large = (point.id for point in mptcp)
    assert [(each.point, each.requests, each.past_director) for each in instructions.loads_of(mptcp, repeat=2)] == [
        (small, 10, False), (small, 1010, False), (large, 10, False), (large, 20, False),
    ] * 2  # fmt: skip
    assert [(each.requests, each.past_director) for each in instructions.loads_of(tcp[:1], repeat=1)] == [
        (10, False), (1010, False), (10, True), (1010, True),
    ]  # fmt: skip


def test_what_a_load_costs_to_start_cancels_out() -> None:
    point = points()[0]
    windows, marks = [], []
    now = Executed(1000, 7000)
    for start, each, past in ((5000, 70, False), (800, 50, True), (9000, 72, False), (300, 52, True)):
        for requests in (10, 110):
            load = Load(point=point.id, requests=requests, past_director=past)
            windows.append(Window(load=load, clock_s=1.0))
            after = Executed(now.programs + start + requests * each, now.kernel + 2 * start + 3 * requests * each)
            marks += [now, after]
            now = Executed(after.programs + 99, after.kernel + 1)
    found = instructions.per_request(point, windows, Counted(JobResult(0, 1.0, 1.0), tuple(marks)))
    assert found.requests == 100 and found.joins is None
    assert found.cost == Instructions(programs=(70, 72), kernel=(210, 216))
    assert found.past_director == Instructions(programs=(50, 52), kernel=(150, 156))
    assert found.cost.all == (280, 288) and found.cost.median == 284


def test_the_share_of_joins_is_that_of_all_connections() -> None:
    point = points("paper")[2]
    windows = [
        Window(load=Load(point=point.id, requests=requests), clock_s=1.0, connections=requests, joins=requests // 2)
        for requests in (10, 110)
    ]
    marks = tuple(Executed(each, each) for each in (1, 2, 3, 200))
    found = instructions.per_request(point, windows, Counted(JobResult(0, 1.0, 1.0), marks))
    assert found.joins == 0.5 and found.past_director is None and found.scheme == "paper"


def test_marks_that_are_missing_are_an_error() -> None:
    point = points()[0]
    windows = [Window(load=Load(point=point.id, requests=10), clock_s=1.0)]
    with pytest.raises(LabError, match="1 marks were counted, of 2"):
        instructions.per_request(point, windows, Counted(JobResult(0, 1.0, 1.0), (Executed(1, 1),)))


def test_kept_counts_are_shown_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = Counts(toolkit="1", qemu="7.2", kernel={"release": "6.12.0"}, points=(_counted("tcp"), _counted("mptcp")))
    (tmp_path / "counts.json").write_text(json.dumps(kept.fields()))
    assert status_of("count-instructions", "--from", str(tmp_path / "counts.json")) == 0
    said = capsys.readouterr().out
    assert "Linux 6.12.0, QEMU 7.2" in said and "1.000" in said and "TCP, no director" in said


def _counted(protocol: Literal["tcp", "mptcp"]) -> PointCount:
    cost = Instructions(programs=(100.0,), kernel=(900.0,))
    return PointCount(
        id=protocol,
        experiment="fig06",
        protocol=protocol,
        object_bytes=10_000,
        requests=100,
        cost=cost,
        past_director=cost if protocol == "tcp" else None,
    )


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (("fig06", "--sizes", "10 apples"), 2, "'apples' is not a unit of a size"),
        (("fig99",), 2, "no experiment 'fig99'"),
        (("fig14",), 2, "counted of page loads alone"),
        (("fig06", "--from", "counts.json"), 2, "--from FILE counts nothing"),
        (("fig06", "--out", "nowhere/counts.json"), 2, "--out nowhere/counts.json: there is no directory nowhere"),
        (("--sizes", "10 KB", "--from", "counts.json"), 2, "--from FILE counts nothing"),
        (("--set", "workload.concurrency=2", "--from", "counts.json"), 2, "--from FILE counts nothing"),
        (("--from", "counts.json"), 1, "counts.json"),
        (("fig06", "--repeat", "0"), 2, "Invalid value for '--repeat'"),
    ],
)
def test_what_cannot_be_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    status: int,
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert status_of("count-instructions", *arguments) == status
    said = capsys.readouterr().err
    assert line in said and "Traceback" not in said and len(said.splitlines()) <= 2


def test_without_the_kernel_one_line_says_how_to_build_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bin").mkdir()
    qemu = tmp_path / "bin" / "qemu-system-x86_64"
    qemu.write_text("#!/bin/sh\necho QEMU emulator version 7.2.22\n")
    qemu.chmod(0o755)
    monkeypatch.setenv("PATH", f"{qemu.parent}:/usr/bin:/bin")
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "cache"))
    assert status_of("count-instructions", "fig06") == 3
    assert "testbed kernel build --flavour x86_64" in capsys.readouterr().err
