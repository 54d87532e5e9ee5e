from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testbed.base.errors import LabError, PrerequisiteError, RunInterrupted, UsageError
from testbed.base.needs import Need
from testbed.labs.base import HERE, Cancel, Clock, Job, JobResult, Sink, discard
from testbed.record.outcome import Outcome
from testbed.runs import cleaning, scheduler, store
from testbed.runs.tasks import Place, Task, TaskEnd, total_s
from topologies import links


class FakeLab:
    """Ends each job as its name says, and notes how many ran at a time."""

    def __init__(
        self, name: str = "fake", machine: str = HERE, clocks: tuple[Clock, ...] = ("virtual", "real")
    ) -> None:
        self.name, self.machine, self.clocks, self.width = name, machine, clocks, 2
        self.lacks: set[str] = set()
        self.ran: list[str] = []
        self.together = 0
        self.most: dict[str, int] = {"virtual": 0, "real": 0}
        self._lock = threading.Lock()

    def facts(self) -> dict[str, Any]:
        return {}

    def require(self, needs: Collection[Need], cancel: Cancel | None = None) -> None:
        if missing := self.lacks & {need.name for need in needs}:
            raise PrerequisiteError(f"{self.name} lacks {', '.join(missing)}")

    def run(
        self, job: Job, *, stdout: Sink = discard, stderr: Sink = discard, cancel: Cancel | None = None
    ) -> JobResult:
        with self._lock:
            self.ran.append(job.argv[0])
            self.together += 1
            self.most[job.clock] = max(self.most[job.clock], self.together)
        try:
            return self._run(job, stdout, stderr, cancel or Cancel())
        finally:
            with self._lock:
                self.together -= 1

    def _run(self, job: Job, stdout: Sink, stderr: Sink, cancel: Cancel) -> JobResult:
        stdout(b'noise\n{"pha')
        stdout(b'se": "workload"}\n')
        if job.argv[0] == "status":
            stderr(b"first\nab: no route\n\n")
            return JobResult(3, 1.0, 2.0)
        if job.argv[0] == "lab":
            raise LabError("guest panicked")
        if job.argv[0] == "bug":
            raise KeyError("oops")
        if job.argv[0] == "endless":
            cancel.set()
            cancel.raise_if_set()
        cancel.wait(0.05)
        return JobResult(0, 1.0, 2.0, ("WARNING: x",))


class Notes:
    def __init__(self) -> None:
        self.phases: list[str] = []
        self.ends: list[TaskEnd] = []

    def started(self, task: Task) -> None:
        pass

    def phase(self, task: Task, phase: str) -> None:
        self.phases.append(f"{task.id} {phase}")

    def finished(self, task: Task, end: TaskEnd) -> None:
        self.ends.append(end)


def task(name: str, clock: str = "virtual") -> Task:
    assert clock in ("virtual", "real")
    return Task(name, lambda output: Job((name,), output, clock=clock), clock, 1.0)  # type: ignore[arg-type]


def notes_of(tasks: list[Task], places: list[Place], where: store.RunStore) -> Notes:
    notes = Notes()
    scheduler.run(tasks, places, where, cancel=Cancel(), watcher=notes)
    return notes


def run(names: list[Task], where: store.RunStore, jobs: int = 2) -> tuple[FakeLab, Notes, list[TaskEnd]]:
    lab, notes = FakeLab(), Notes()
    ends = scheduler.run(names, [Place(lab, jobs)], where, cancel=Cancel(), watcher=notes)
    return lab, notes, ends


@pytest.fixture
def run_store(tmp_path: Path) -> store.RunStore:
    return store.create(tmp_path / "results" / "one", ["good"], {"command": ["x"]})


def outcome(run_store: store.RunStore, name: str) -> dict[str, object]:
    value = json.loads((run_store.points / name / "outcome.json").read_text())
    assert isinstance(value, dict)
    return value


def test_a_failed_point_does_not_stop_the_others(run_store: store.RunStore) -> None:
    _, notes, ends = run([task("status"), task("lab"), task("bug"), task("good")], run_store)
    assert [end.ok for end in ends] == [False, False, False, True]
    assert outcome(run_store, "status")["error"] == "ended with status 3: ab: no route"
    assert outcome(run_store, "lab")["error"] == "guest panicked"
    assert outcome(run_store, "bug")["error"] == "KeyError: 'oops'"
    assert outcome(run_store, "good") == {
        "status": "ok",
        "error": "",
        "wall_s": 1.0,
        "virtual_s": 2.0,
        "kernel_warnings": ["WARNING: x"],
        "lab": "fake",
        "files": ["outcome.json"],
    }
    assert sorted(notes.phases) == ["bug workload", "good workload", "lab workload", "status workload"]


def test_cancel_keeps_finished_points_and_removes_the_others(run_store: store.RunStore) -> None:
    lab = FakeLab()
    with pytest.raises(RunInterrupted):
        scheduler.run(
            [task("good"), task("endless"), task("later")],
            [Place(lab, 1)],
            run_store,
            cancel=Cancel(),
            watcher=Notes(),
        )
    assert lab.ran == ["good", "endless"]
    assert [path.name for path in run_store.points.iterdir()] == ["good"]


def test_several_labs_share_the_points_and_each_is_noted(run_store: store.RunStore) -> None:
    labs = FakeLab("a"), FakeLab("b", "elsewhere")
    tasks = [task(f"t{number}") for number in range(12)]
    ends = notes_of(tasks, [Place(lab, 2) for lab in labs], run_store).ends
    assert sorted(labs[0].ran + labs[1].ran) == sorted(each.id for each in tasks)
    assert [lab.most["virtual"] for lab in labs] == [2, 2]
    assert {end.id: end.lab for end in ends} == {name: lab.name for lab in labs for name in lab.ran}
    assert all(outcome(run_store, end.id)["lab"] == end.lab for end in ends)


def test_a_lab_gets_only_the_points_that_it_has_the_clock_for(run_store: store.RunStore) -> None:
    real, both = FakeLab("real", clocks=("real",)), FakeLab("both")
    notes_of([task("a"), task("b"), task("c", "real"), task("d", "real")], [Place(real, 1), Place(both, 1)], run_store)
    assert sorted(both.ran[:2]) == ["a", "b"]
    assert (real.ran, both.ran[2:]) == (["c"], ["d"])


def test_labs_of_one_machine_never_run_two_points_in_real_time_at_once(run_store: store.RunStore) -> None:
    together, most, lock = 0, 0, threading.Lock()

    class Noting(FakeLab):
        def _run(self, job: Job, stdout: Sink, stderr: Sink, cancel: Cancel) -> JobResult:
            nonlocal together, most
            with lock:
                together += 1
                most = max(most, together)
            cancel.wait(0.02)
            with lock:
                together -= 1
            return JobResult(0, 1.0, 2.0)

    labs = Noting("a"), Noting("b")
    notes_of([task(f"t{number}", "real") for number in range(6)], [Place(lab, 2) for lab in labs], run_store)
    assert most == 1
    assert [len(lab.ran) for lab in labs] == [3, 3]


def test_a_clock_or_a_need_that_no_lab_has_is_refused_before_anything_starts() -> None:
    lab = FakeLab("old", clocks=("real",))
    with pytest.raises(UsageError, match="b runs in virtual time, which the lab does not have: old"):
        scheduler.require([task("a", "real"), task("b")], [Place(lab, 1)])
    lab.lacks = {"netem"}
    with pytest.raises(PrerequisiteError, match="old lacks netem"):
        needy = replace(task("a", "real"), needs=frozenset({links.NETEM, links.TBF}))
        scheduler.require([needy], [Place(lab, 1)])
    assert lab.ran == []


def test_points_in_real_time_run_alone_and_last(run_store: store.RunStore) -> None:
    tasks = [task("a", "real"), task("b"), task("c"), task("d", "real")]
    lab, _, ends = run(tasks, run_store)
    assert lab.ran[2:] == ["a", "d"]
    assert lab.most == {"virtual": 2, "real": 1}
    assert [end.id for end in ends] == ["a", "b", "c", "d"]


def test_a_point_that_is_run_again_replaces_the_failed_one(run_store: store.RunStore) -> None:
    run_store.begin("good")
    run_store.finish("good", Outcome(status="failed"))
    assert not run_store.is_ok("good")
    run([task("good")], run_store)
    assert run_store.is_ok("good")


def test_a_run_is_unfinished_until_all_its_points_are_ok(run_store: store.RunStore) -> None:
    run_store.update(state="complete")
    assert run_store.is_unfinished()
    run([task("good")], run_store)
    assert not run_store.is_unfinished()
    run_store.update(state="interrupted")
    assert store.open_run(run_store.directory).is_unfinished()


def test_latest_is_relative_and_moves_on(run_store: store.RunStore, tmp_path: Path) -> None:
    run_store.link_latest()
    other = store.create(tmp_path / "results" / "two", [], {})
    other.link_latest()
    assert (tmp_path / "results" / "latest").readlink() == Path("two")


def test_a_directory_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(UsageError, match="not empty"):
        store.create(tmp_path, [], {})
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_file_in_place_of_the_directory_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PrerequisiteError, match="file/run: cannot be written: Not a directory"):
        store.create(tmp_path / "file" / "run", [], {})


def test_too_little_space_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(PrerequisiteError, match=r"1\.0 GB free, this run needs 2\.0 GB"):
        store.create(tmp_path / "run", [], {})
    store.create(tmp_path / "small", [], {}, needed_bytes=100_000_000)
    with pytest.raises(PrerequisiteError, match=r"1\.0 GB free, this run needs 1\.1 GB"):
        store.create(tmp_path / "large", [], {}, needed_bytes=1_000_000_000)


def test_only_one_process_works_in_a_run(run_store: store.RunStore) -> None:
    with run_store.lock():
        with run_store.idle() as idle:
            assert not idle
        with pytest.raises(UsageError, match="another testbed run"), run_store.lock():
            pass
    with run_store.idle() as idle:
        assert idle


@pytest.mark.parametrize("name", ["../evil", ".hidden", "a/b", ""])
def test_an_id_cannot_lead_out_of_the_run(run_store: store.RunStore, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a point"):
        run_store.begin(name)


def test_cleaning_spares_runs_at_work(run_store: store.RunStore, tmp_path: Path) -> None:
    partial = run_store.begin("good")
    with run_store.lock():
        assert cleaning.remove_partials(tmp_path / "results") == []
        assert cleaning.remove_results(tmp_path / "results") == []
    assert cleaning.remove_partials(tmp_path / "results") == [partial]
    assert not partial.exists()


def test_cleaning_removes_only_our_runs(run_store: store.RunStore, tmp_path: Path) -> None:
    run_store.link_latest()
    (tmp_path / "results" / "thesis").mkdir()
    assert cleaning.remove_results(tmp_path / "results") == [run_store.directory]
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["thesis"]


def test_cleaning_removes_only_runtimes_of_dead_processes(tmp_path: Path) -> None:
    dead = tmp_path / "mptcp-testbed-99999999-x"
    for path in (dead, tmp_path / "mptcp-testbed-1-x", tmp_path / "mptcp-testbed-cores-0", tmp_path / "other"):
        path.mkdir()
    assert cleaning.remove_runtimes(tmp_path) == [dead]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mptcp-testbed-1-x", "mptcp-testbed-cores-0", "other"]


def test_the_estimate_counts_points_in_real_time_one_by_one() -> None:
    assert total_s([task("a"), task("b"), task("c", "real"), task("d", "real")], 2) == 2.0


@pytest.mark.parametrize(("place", "why"), [("file", "not a directory"), ("link", "a link that leads nowhere")])
def test_what_is_no_directory_cannot_become_a_runs(tmp_path: Path, place: str, why: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(UsageError, match=f"^{tmp_path}/{place}: {why}"):
        store.create(tmp_path / place, ["a"], {})
    assert (tmp_path / "file").read_text() == "mine" and not (tmp_path / "nowhere").exists()
