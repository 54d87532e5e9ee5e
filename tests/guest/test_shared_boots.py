"""One boot for many points: each is what it is in a boot of its own, byte for byte, whatever ran before it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from probe_cases import processes_in

from experiments import api
from experiments.api.planning import job_of
from testbed.base.errors import GuestAsleep, GuestKilled, LabError, RunInterrupted
from testbed.holding import parents, state
from testbed.labs.base import Cancel, Job, JobResult
from testbed.labs.uml import UmlLab
from testbed.labs.uml_template import Template
from testbed.labs.verdict import userspace_mode
from testbed.process import wait_until
from testbed.record.point import Point
from testbed.runs import digests

PAGES = ("workload.sizes=10 KB", "workload.total=100 KB", "workload.min_requests=10")
DOWNLOADS = (
    "workload.concurrency=3", "workload.size=200 KB", "workload.duration=2 s", "timetable.cycle=1.5 s",
    "timetable.up=1 s", "topology.server_rate=100 Mbit/s", "topology.client_rate=1 Gbit/s",
)  # fmt: skip
STANDS_STILL = "import os, sys, time\nfrom testbed import template\ntemplate.stand_still()\n"
ENDLESS = "open(os.environ['TESTBED_OUT'] + '/began', 'w')\nwhile True: os.times()"


@pytest.fixture(scope="module")
def lab(every_lab: UmlLab) -> UmlLab:
    return every_lab


@pytest.fixture
def shared(lab: UmlLab) -> Iterator[UmlLab]:
    with contextlib.closing(UmlLab(lab._image, shared_boot=True, core_wait_s=0)) as found:
        yield found


def points() -> list[Point]:
    """Twelve: pages and downloads, TCP and MPTCP, two seeds."""
    found = api.plan(["fig07", "fig11"], overrides=PAGES, seeds=[1, 7])
    return found + api.plan(["fig13", "fig14"], overrides=DOWNLOADS, seeds=[1, 7])


def run_all(lab: UmlLab, points: Sequence[Point], out: Path) -> dict[str, dict[str, str]]:
    """The digests of each point, by its id."""
    found = {}
    for point in points:
        (out / point.id).mkdir(parents=True)
        result = lab.run(job_of(point, out / point.id))
        assert (result.status, result.kernel_warnings) == (0, ())
        found[point.id] = digests.of_directory(out / point.id)
    return found


def run(lab: UmlLab, out: Path, code: str, **job: object) -> JobResult:
    out.mkdir()
    return lab.run(Job((sys.executable, "-c", STANDS_STILL + code), out, stands_still=True, **job))  # type: ignore[arg-type]


def test_a_point_is_the_same_whatever_ran_before_it_in_the_boot_and_in_a_boot_of_its_own(
    lab: UmlLab, shared: UmlLab, tmp_path: Path
) -> None:
    every = points()
    once = run_all(shared, every, tmp_path / "once")
    random.Random(1).shuffle(every)
    with contextlib.closing(UmlLab(lab._image, shared_boot=True, core_wait_s=0)) as another:
        assert run_all(another, every, tmp_path / "again") == once
    own = UmlLab(lab._image, core_wait_s=0)
    assert run_all(own, every, tmp_path / "own") == once


def test_copies_that_are_held_again_and_again_give_the_same_bytes(lab: UmlLab, shared: UmlLab, tmp_path: Path) -> None:
    every = [
        point for point in points() if point.figure in ("7", "14") and (point.protocol, point.seed) == ("mptcp", 1)
    ]
    assert len(every) == 2
    own = run_all(UmlLab(lab._image, core_wait_s=0), every, tmp_path / "own")
    # Without ptrace, programs wait for their guest in futex(2).
    still = {"t", "T", "Z"} | ({"S"} if userspace_mode(tmp_path / "own" / every[0].id) == "seccomp" else set())
    ended, holds = threading.Event(), []

    def hold() -> None:
        while not ended.wait(0.2):
            with shared.holding():
                began_s = time.monotonic()
                wait_until(lambda: states() <= still, "all to stand still", timeout_s=20)
                holds.append(time.monotonic() - began_s)
                # Nothing goes on by itself, nor does anything start meanwhile.
                assert all(states() <= still for _ in range(3) if not ended.wait(0.02))

    with ThreadPoolExecutor(1) as other:
        holder = other.submit(hold)
        try:
            assert run_all(shared, every, tmp_path / "held") == own
        finally:
            ended.set()
    holder.result()
    assert len(holds) >= 5


def states(toolkit: int = os.getpid()) -> set[str]:
    """What a process's guests do, their copies and the programs of both: a letter each (proc_pid_stat(5))."""
    of = parents()
    pids = map(int, processes_in(f"{tempfile.gettempdir()}/mptcp-testbed-{toolkit}-"))
    return {state(pid) for pid in pids if of.get(pid) != toolkit} - {"X"}  # those below it are the subreapers


def test_a_point_in_real_time_runs_beside_copies_on_one_of_their_cores(shared: UmlLab, tmp_path: Path) -> None:
    run(shared, tmp_path / "copy", "")
    job = Job(("cat", "/sys/devices/system/clocksource/clocksource0/current_clocksource"), tmp_path, clock="real")
    result = shared.run(job)
    assert (result.status, result.copy) == (0, 0)
    assert run(shared, tmp_path / "next", "").copy == 2


def test_a_copy_has_the_job_s_own_output_status_and_limit(shared: UmlLab, tmp_path: Path) -> None:
    code = "print(open(os.environ['TESTBED_OUT'] + '/guest/job.json').read()[:1]); sys.exit(5)"
    first, second = (run(shared, tmp_path / name, code) for name in ("first", "second"))
    assert [(each.status, each.copy) for each in (first, second)] == [(5, 1), (5, 2)]
    assert (tmp_path / "second" / "guest" / "stdout").read_text() == "{\n"
    assert first.clock_s == second.clock_s


def test_a_copy_that_sleeps_for_ever_is_ended_at_the_limit_of_its_own_job(shared: UmlLab, tmp_path: Path) -> None:
    code = "print(1) if '/quick' in os.environ['TESTBED_OUT'] else time.sleep(10**6)"
    with pytest.raises(GuestAsleep):
        run(shared, tmp_path / "asleep", code, clock_limit_s=50)
    with pytest.raises(GuestAsleep):
        run(shared, tmp_path / "asleep-again", code, clock_limit_s=500)


def directories() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"mptcp-testbed-{os.getpid()}-*"))


def kill_templates() -> None:
    for directory in directories():
        os.kill(int((directory / "guest" / "pid").read_text()), signal.SIGKILL)


def test_who_kills_a_template_ends_one_job_and_the_next_has_another(shared: UmlLab, tmp_path: Path) -> None:
    def kill() -> None:
        wait_until((tmp_path / "killed" / "began").exists, "the copy", timeout_s=60)
        kill_templates()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(GuestKilled, match="signal 9"):
        run(shared, tmp_path / "killed", ENDLESS, wall_limit_s=100)
    killer.join()
    assert run(shared, tmp_path / "next", "sys.exit(3)").status == 3


def test_a_template_that_is_killed_while_it_is_idle_costs_no_job(shared: UmlLab, tmp_path: Path) -> None:
    assert run(shared, tmp_path / "first", "").copy == 1
    kill_templates()
    wait_until(lambda: not directories(), "the end of the template", timeout_s=20)
    assert [run(shared, tmp_path / name, "sys.exit(3)").copy for name in ("next", "next but one")] == [1, 2]


def test_a_template_that_is_killed_just_when_it_is_wanted_costs_one_job(
    shared: UmlLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(shared, tmp_path / "first", "")
    kill_templates()
    wait_until(lambda: not directories(), "the end of the template", timeout_s=20)
    with monkeypatch.context() as patched:
        patched.setattr(Template, "is_there", True)
        with pytest.raises(GuestKilled, match="signal 9"):
            run(shared, tmp_path / "killed", "")
        assert run(shared, tmp_path / "next", "sys.exit(3)").copy == 1


def test_a_program_that_does_not_stand_still_is_told_so(shared: UmlLab, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(LabError, match="did not stand still for copies: I am no template"):
        argv = (sys.executable, "-c", "import sys; sys.exit('I am no template')")
        shared.run(Job(argv, tmp_path / "out", stands_still=True))


@pytest.mark.parametrize("is_held", [False, True], ids=["running", "held"])
def test_what_ends_a_copy_or_the_lab_leaves_nothing(shared: UmlLab, tmp_path: Path, is_held: bool) -> None:
    cancel = Cancel()
    (tmp_path / "out").mkdir()

    def end() -> None:
        wait_until((tmp_path / "out" / "began").exists, "the copy", timeout_s=60)
        with shared.holding() if is_held else contextlib.nullcontext():
            wait_until(lambda: ("T" in states()) == is_held, "the hold", timeout_s=20)
            cancel.set()
            ended.wait(60)

    ended = threading.Event()
    threading.Thread(target=end).start()
    job = Job((sys.executable, "-c", STANDS_STILL + ENDLESS), tmp_path / "out", stands_still=True)
    with pytest.raises(RunInterrupted):
        shared.run(job, cancel=cancel)
    ended.set()
    assert directories() == []
    run(shared, tmp_path / "another", "")
    shared.close()
    assert directories() == []


@pytest.mark.parametrize("is_held", [False, True], ids=["running", "held"])
def test_kill_9_of_the_toolkit_ends_template_and_copy(lab: UmlLab, tmp_path: Path, is_held: bool) -> None:
    code = (
        "import sys, threading; from pathlib import Path\n"
        "from testbed.labs.uml import UmlLab; from testbed.labs.base import Job\n"
        f"job = Job((sys.executable, '-c', {STANDS_STILL + ENDLESS!r}), Path({str(tmp_path)!r}), stands_still=True)\n"
        f"lab = UmlLab(Path({str(lab._image)!r}), core_wait_s=0, shared_boot=True)\n"
        "threading.Thread(target=lab.run, args=[job]).start()\n"
        "sys.stdin.read(1)\n"
        "with lab.holding(): sys.stdin.read()\n"
    )
    toolkit = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True)
    place = f"{tempfile.gettempdir()}/mptcp-testbed-{toolkit.pid}-"

    def ours() -> list[str]:
        return processes_in(place)

    try:
        wait_until((tmp_path / "began").exists, "the copy", timeout_s=100)
        assert ours() and toolkit.stdin
        if is_held:
            toolkit.stdin.write("h")
            toolkit.stdin.flush()
            wait_until(lambda: "T" in states(toolkit.pid), "the hold", timeout_s=20)
    finally:
        toolkit.kill()
        toolkit.wait()
    wait_until(lambda: not ours(), "the end of its processes", timeout_s=20)
    wait_until(
        lambda: not any(Path(tempfile.gettempdir()).glob(f"{Path(place).name}*")),
        "the end of its directory",
        timeout_s=20,
    )
