"""The Python API of a run, with a lab that leaves an output without measurements in place of running a guest."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from experiments import api
from experiments.api.events import AnalysisStarted, Event, Notice, PointFinished, PointPhase, PointsDue, PointStarted
from experiments.api.places import open_places
from testbed.base.errors import ConfigError, LabError, PointsFailed, RunInterrupted, UsageError
from testbed.base.needs import Need
from testbed.kernel import selection
from testbed.labs import catalog
from testbed.labs.base import HERE, Cancel, Clock, Job, JobResult, Sink, discard
from testbed.record.point import Point

SMALL = ("workload.sizes=1000 KB", "workload.total=1 MB")


class Lab:
    """Says its phase, leaves `ab.txt` with nothing in it, and calls `during` with the number of the job."""

    name = "scripted"
    machine = HERE
    clocks: tuple[Clock, ...] = ("virtual", "real")
    width = 1

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.during: Callable[[int], None] = lambda _number: None

    def facts(self) -> dict[str, Any]:
        return {"kernel": {"id": "k1"}}

    def require(self, needs: Collection[Need], cancel: Cancel | None = None) -> None:
        pass

    def run(
        self, job: Job, *, stdout: Sink = discard, stderr: Sink = discard, cancel: Cancel | None = None
    ) -> JobResult:
        stdout(b'{"phase": "workload"}\n')
        self.during(len(self.ran))
        if cancel is not None:
            cancel.raise_if_set()
        (job.output / "ab.txt").write_text("")
        self.ran.append(json.loads((job.output / "point.json").read_text())["id"])
        return JobResult(0, 1.0, 2.0, (), "k1")


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lab:
    made = Lab()
    monkeypatch.setattr(catalog, "open_lab", lambda *_: contextlib.nullcontext(made))
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def points() -> list[Point]:
    return api.plan(["fig07"], overrides=SMALL)


def test_a_plan_names_points_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ids = [point.id for point in api.plan(["7"], seeds=[3, 4], overrides=SMALL, clocks=["real"])]
    assert ids == [f"fig07-{arm}-1000KB-real-seed{seed}" for seed in (3, 4) for arm in ("tcp", "paper-mptcp")]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("names", "wrong", "message"),
    [
        (["fig99"], UsageError, "no experiment 'fig99'"),
        (["7", "fig07"], UsageError, "two experiments are named 'fig07'"),
        ("fig07", UsageError, r"give a list of experiments \(\['fig07'\]\)"),
        (["mine.toml"], ConfigError, "mine.toml:1: "),
    ],
)
def test_a_plan_that_cannot_be_is_refused(
    names: Any, wrong: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text("version =\n")
    with pytest.raises(wrong, match=message):
        api.plan(names)


def test_a_run_tells_of_itself_in_order_and_prints_nothing(
    lab: Lab, points: list[Point], capfd: pytest.CaptureFixture[str]
) -> None:
    heard: list[Event] = []
    found = api.run(points, out=Path("mine"), jobs=1, command=["my-program"], listen=heard.append)
    kinds = [type(event) for event in heard]
    assert kinds == [PointsDue, *2 * [PointStarted, PointPhase, PointFinished], AnalysisStarted]
    assert [event.end.ok for event in heard if isinstance(event, PointFinished)] == [True, True]
    assert capfd.readouterr() == ("", "")
    manifest = json.loads(Path("mine/run.json").read_text())
    assert (manifest["state"], manifest["command"]) == ("complete", ["my-program"])
    assert [each.id for each in found.summaries] == manifest["points"] == [point.id for point in points]
    assert lab.ran == manifest["points"][::-1]  # MPTCP takes longer than TCP, and the longest begins first
    assert {Path("mine/summary.json"), Path("mine/tables/connections.parquet")} <= set(found.files)
    assert all(path.is_file() for path in found.files)


def test_points_without_measurements_are_in_the_result_and_an_error_only_if_asked_for(
    lab: Lab, points: list[Point]
) -> None:
    found = api.run(points)
    assert sorted(found.invalid()) == sorted(lab.ran)
    with pytest.raises(PointsFailed, match="2 of 2 points failed or are invalid: fig07-tcp"):
        found.require_valid()
    assert Path("results/latest").resolve() == found.directory.resolve()


def test_another_thread_can_end_a_run_which_is_resumed_from_where_it_was(
    lab: Lab, points: list[Point], monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel = Cancel()
    lab.during = lambda number: cancel.set("that will do") if number == 1 else None
    said: list[str] = []

    def work() -> None:
        with pytest.raises(RunInterrupted) as ended:
            api.run(points, out=Path("r"), jobs=1, cancel=cancel)
        said.append(str(ended.value))

    worker = threading.Thread(target=work)
    worker.start()
    worker.join(60)
    assert len(said) == 1 and said[0].startswith("that will do; 1 of 2 points are kept in r")
    assert json.loads(Path("r/run.json").read_text())["state"] == "interrupted"
    lab.during = lambda _number: None
    monkeypatch.setattr(selection, "again", lambda *_: None)  # this lab has no kernel
    found = api.resume(Path("r"), labs=["uml"], jobs=1)
    assert [each.id for each in found.summaries] == [point.id for point in points]
    assert sorted(lab.ran) == sorted(point.id for point in points)
    assert json.loads(Path("r/run.json").read_text())["state"] == "complete"


def test_a_listener_that_fails_ends_the_run_in_order(lab: Lab, points: list[Point]) -> None:
    def listen(event: Event) -> None:
        if isinstance(event, PointFinished):
            raise LabError("nobody listens")

    with pytest.raises(RunInterrupted, match="interrupted: nobody listens; 1 of 2 points are kept"):
        api.run(points, out=Path("r"), jobs=1, listen=listen)


def test_a_run_that_cannot_begin_leaves_nothing(lab: Lab, points: list[Point]) -> None:
    with pytest.raises(UsageError, match="no point to run"):
        api.run([])
    with pytest.raises(UsageError, match="no unfinished run"):
        api.resume()
    with pytest.raises(UsageError, match="no lab 'moon'"):
        api.run(points, labs=["moon"])
    assert list(Path().iterdir()) == []


def test_an_analysis_can_go_elsewhere_and_leaves_the_run_as_it_is(lab: Lab, points: list[Point]) -> None:
    api.run(points, out=Path("r"))
    before = {path: path.stat().st_mtime_ns for path in Path("r").rglob("*") if path.is_file()}
    found = api.analyse(Path("r"), out=Path("elsewhere"), jobs=1)
    assert {path.parts[0] for path in found.files} == {"elsewhere"}
    assert {path: path.stat().st_mtime_ns for path in Path("r").rglob("*") if path.is_file()} == before
    assert "fig07-paper-mptcp-1000KB-seed1" in found.text()


def test_an_analysis_says_how_many_points_of_the_run_have_no_result(lab: Lab, points: list[Point]) -> None:
    api.run(points, out=Path("r"))
    whole = api.analyse(Path("r"), jobs=1)
    Path("r/points", points[0].id).rename(Path(f"r/points/.partial-{points[0].id}"))
    (note,) = set(api.analyse(Path("r"), jobs=1).notes) - set(whole.notes)
    assert note == (
        f"1 of {len(points)} points of the run have no result, the first {points[0].id} "
        "(testbed run --resume --out r does them)"
    )


def test_a_run_without_a_finished_point_cannot_be_analysed(lab: Lab, points: list[Point]) -> None:
    api.run(points, out=Path("r"))
    for point in points:
        Path("r/points", point.id).rename(Path(f"r/points/.partial-{point.id}"))
    with pytest.raises(UsageError, match="the run has no finished point"):
        api.analyse(Path("r"))
    with pytest.raises(UsageError, match="not a run directory"):
        api.analyse(Path("nowhere"))


def test_a_program_that_runs_when_it_is_imported_is_told_what_to_do(
    lab: Lab, points: list[Point], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    for begin in (lambda: api.run(points), api.resume, lambda: api.analyse(Path("r")), lambda: api.report([Path("r")])):
        with pytest.raises(UsageError, match="__main__"):
            begin()
    assert lab.ran == []


def test_what_a_lab_has_to_say_is_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_lab(_spec: object, options: catalog.LabOptions) -> contextlib.nullcontext[Lab]:
        options.report("waiting for a core")
        return contextlib.nullcontext(Lab())

    monkeypatch.setattr(catalog, "open_lab", open_lab)
    heard: list[Event] = []
    with open_places(["uml"], listen=heard.append) as places:
        assert [place.width for place in places] == [1]
    assert heard == [Notice("waiting for a core")]


def test_a_verification_that_finds_no_kernel_says_so_of_each_point(
    lab: Lab, points: list[Point], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    api.run(points, out=Path("r"))
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "empty"))
    found = api.verify(Path("r"))
    assert {verdict.finding for verdict in found.verdicts} == {"not compared"}
    with pytest.raises(PointsFailed, match="2 of 2 points could not be compared"):
        found.require_identical()
