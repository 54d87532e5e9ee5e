"""The processes of an analysis: what they give is what one process gives, and they can be ended at any moment."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import pytest
import run_maker as runs

from analysis.figures.drawing import save
from analysis.figures.gallery import of_all
from analysis.figures.registry import load_registry
from analysis.summary.of_run import analyse_run_fully, point_directories, stack, write_summary
from analysis.summary.point_analyses import PointAnalyses
from analysis.summary.process_pool import ProcessPool
from analysis.summary.workers import Workers
from analysis.tables import write_tables
from testbed.holding import state
from testbed.process import wait_until

AUTOGROUPS = Path("/proc/self/autogroup")


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(2) as made:
        yield made


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("workers") / "run"
    runs.load_balancer_point(directory / "points" / "a-mptcp")
    runs.load_balancer_point(directory / "points" / "b-tcp", protocol="tcp")
    runs.anycast_point(directory / "points" / "c-anycast")
    (directory / "points" / "d-broken").mkdir()
    return directory


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*.*") if path.is_file()}


def test_points_analysed_while_others_run_give_the_same_bytes(tmp_path: Path, run: Path, workers: Workers) -> None:
    registry = load_registry()
    early = PointAnalyses(workers, registry.drawn_of_waits)
    directories = point_directories(run)
    for directory in (directories[2], directories[0], directories[3]):  # as they end, in any order
        early.begin(directory, 3)
    for name, analysed, helpers in (
        ("after", analyse_run_fully(run, 1, registry.drawn_of_waits), None),
        ("beside", early.all_of(directories), workers),
    ):
        summaries, tables = [each.summary for each in analysed], stack(analysed)
        write_tables(tmp_path / name, tables)
        write_summary(tmp_path / name, summaries)
        drawn = save(of_all(registry, tables, summaries), tmp_path / name / "figures", helpers)
        assert len(drawn.files) > 3
    after = contents(tmp_path / "after")
    assert {"tables/connections.parquet", "tables/resets.csv", "summary.json"} < after.keys()
    assert contents(tmp_path / "beside") == after


def test_work_beside_the_points_is_low_until_nobody_needs_the_cores(workers: Workers) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)  # of the thread that asks
    assert workers.submit_low(os.getpriority, os.PRIO_PROCESS, 0).result() == 19
    if AUTOGROUPS.exists():
        assert workers.submit_low(AUTOGROUPS.read_text).result().endswith(" nice 19\n")
    workers.hurry()
    for submit in (workers.submit_low, workers.submit):
        assert submit(os.getpriority, os.PRIO_PROCESS, 0).result() == own
        if AUTOGROUPS.exists():
            assert submit(AUTOGROUPS.read_text).result().endswith(" nice 0\n")


def test_a_worker_that_is_killed_costs_what_was_under_way_and_nothing_later(run: Path, workers: Workers) -> None:
    killed = workers.submit(time.sleep, 600)
    os.kill(workers.submit(os.getpid).result(), signal.SIGKILL)
    with pytest.raises(BrokenProcessPool):
        killed.result(timeout=300)
    directories = point_directories(run)
    analyses = PointAnalyses(workers)
    analyses.begin(directories[0], 2)
    os.kill(workers.submit(os.getpid).result(), signal.SIGKILL)
    found = analyses.all_of(directories)
    assert [each.summary for each in found] == [each.summary for each in analyse_run_fully(run)]


def test_a_point_that_needs_more_memory_than_there_is_waits_for_the_others(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = runs.load_balancer_point(tmp_path / "points" / "a")
    submitted: list[object] = []
    monkeypatch.setattr(workers, "submit_low", lambda *arguments: submitted.append(arguments))
    with (directory / "huge.pcap").open("wb") as file:
        file.truncate(1 << 43)
    PointAnalyses(workers).begin(directory, 1)
    assert submitted == []


def test_they_are_held_and_go_on(workers: Workers) -> None:
    pid = workers.submit(os.getpid).result()
    with workers.holding():
        wait_until(lambda: state(pid) == "T", "the hold", timeout_s=20)
    assert workers.submit(os.getpid).result(timeout=300) == pid


def test_signals_to_a_whole_session_are_their_parents_alone(tmp_path: Path, workers: Workers) -> None:
    assert workers.submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()).result() == {signal.SIGINT, signal.SIGHUP}
    (tmp_path / "program.py").write_text(_SESSION)
    command = [sys.executable, str(tmp_path / "program.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, start_new_session=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")


_SESSION = """
import os, signal
from analysis.summary.workers import Workers
if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    with Workers(2) as workers:
        found = workers.submit(len, b"abc")
        for number in (signal.SIGINT, signal.SIGHUP):
            os.killpg(0, number)
        print(found.result())
"""


def test_those_that_are_just_being_begun_are_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ProcessPool] = []

    def late(*arguments: Any) -> ProcessPool:
        time.sleep(1)
        made.append(ProcessPool(*arguments))
        return made[-1]

    def interrupt(*_: object) -> None:
        raise InterruptedError

    monkeypatch.setattr("analysis.summary.workers.ProcessPool", late)
    before = signal.signal(signal.SIGUSR1, interrupt)
    with Workers(1) as workers, pytest.raises(InterruptedError):
        threading.Timer(0.3, signal.pthread_kill, (threading.main_thread().ident, signal.SIGUSR1)).start()
        workers.submit(time.sleep, 600)
    signal.signal(signal.SIGUSR1, before)
    assert [state(process.pid or 0) in "ZX" for process in made[0].processes] == [True]


def test_they_end_in_the_middle_of_their_work() -> None:
    with Workers(2) as workers:
        pid = workers.submit(os.getpid).result()
        workers.submit(time.sleep, 600)
        began = time.monotonic()
    assert time.monotonic() - began < 30 and not Path(f"/proc/{pid}").exists()
    with pytest.raises(RuntimeError):
        workers.submit(os.getpid)


def test_what_waits_when_the_processes_are_ended_fails_as_what_they_were_at_does() -> None:
    pool = ProcessPool(1, len, ((),))
    begun = [pool.submit(time.sleep, 600) for _ in range(9)]
    pool.end()
    assert [type(each.exception(timeout=300)) for each in begun] == [BrokenProcessPool] * 9


_PROGRAM = """
import os, time
from analysis.summary.workers import Workers
if __name__ == "__main__":
    workers = Workers(1)
    pid = workers.submit(os.getpid).result()
    sleeping = workers.submit_low(time.sleep, 600)
    with workers.holding() if HELD else contextlib.nullcontext():
        print(pid, flush=True)
        sleeping.result()
"""


@pytest.mark.parametrize("held", [False, True])
def test_they_end_with_a_program_that_is_killed(tmp_path: Path, held: bool) -> None:
    (tmp_path / "program.py").write_text(f"import contextlib\nHELD = {held}\n{_PROGRAM}")
    with subprocess.Popen([sys.executable, str(tmp_path / "program.py")], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        worker = int(program.stdout.readline())
        program.kill()
    wait_until(lambda: state(worker) in "ZX", "its end", timeout_s=30)


_UNREAD = """
import os, signal, time
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from analysis.summary.workers import Workers
if __name__ == "__main__":
    with Workers(1) as workers:
        pid = workers.submit(os.getpid).result()
        # More than a pipe holds, and nobody reads it while the process is at work.
        begun = [workers.submit(time.sleep, 600), *(workers.submit(len, bytes(1 << 22)) for _ in range(3))]
        time.sleep(1)
        if KILLED:
            os.kill(pid, signal.SIGKILL)
            for each in begun:
                try:
                    each.result()
                except BrokenProcessPool:
                    print("broken")
            print(workers.submit(len, b"abc").result())
"""


@pytest.mark.parametrize(("killed", "said"), [(False, ""), (True, "broken\n" * 4 + "3\n")])
def test_they_end_with_work_on_its_way_that_nobody_will_read(tmp_path: Path, killed: bool, said: str) -> None:
    (tmp_path / "program.py").write_text(f"KILLED = {killed}\n{_UNREAD}")
    command = [sys.executable, str(tmp_path / "program.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, said)


def half_of_its_result(then: Callable[[Any], object], told: object) -> bytes:
    """Only half of the result is written, then this is called."""
    send: Callable[[Connection, memoryview], None] = Connection._send  # type: ignore[attr-defined]

    def cut(self: Connection, data: memoryview) -> None:
        send(self, data[: len(data) // 2])
        then(told)

    Connection._send = cut  # type: ignore[attr-defined]
    return bytes(1 << 22)


def test_one_that_is_killed_in_the_middle_of_its_result_keeps_nobody_waiting(workers: Workers) -> None:
    under_way = workers.submit(time.sleep, 600), workers.submit(half_of_its_result, signal.raise_signal, signal.SIGKILL)
    for each in under_way:
        with pytest.raises(BrokenProcessPool):
            each.result(timeout=300)
    assert workers.submit(len, b"abc").result(timeout=300) == 3


def test_a_process_that_cannot_be_started_says_why_and_the_next_work_gets_others(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(_process: SpawnProcess) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    under_way = workers.submit(time.sleep, 600)
    with monkeypatch.context() as patched:
        patched.setattr(SpawnProcess, "start", cannot)
        with pytest.raises(OSError, match="temporarily unavailable"):
            workers.submit(abs, -3)
    with pytest.raises(BrokenProcessPool):
        under_way.result(timeout=300)
    assert workers.submit(abs, -3).result(timeout=300) == 3


def test_they_end_in_the_middle_of_a_result(tmp_path: Path) -> None:
    with Workers(2) as workers:
        workers.submit(half_of_its_result, wait_here, tmp_path / "half")
        wait_until((tmp_path / "half").exists, "half of the result", timeout_s=300)
        began = time.monotonic()
    assert time.monotonic() - began < 30


def wait_here(told: Path) -> None:
    told.touch()
    time.sleep(600)
