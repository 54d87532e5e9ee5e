import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed import directory_lock
from testbed.base.errors import CommandError, GuestTimeout
from testbed.holding import state
from testbed.process import CommandLog, Process, run, wait_until
from testbed.reaped_process import ReapedProcess
from testbed.subreaper import FIRST_FD

# A program that has a child of its own; both write their process ids.
FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen(["sleep", "60"], start_new_session=True)
open(sys.argv[1] + ".draft", "w").write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".draft", sys.argv[1])
time.sleep(60)
"""
OWNER = """
import sys
from testbed.reaped_process import ReapedProcess
with open("/dev/null", "wb") as null:
    ReapedProcess([sys.executable, "-c", sys.argv[1], sys.argv[2]], stdout=null, stderr=null).wait(60)
"""


def alive(pid: int) -> bool:
    return state(pid) not in "ZX"


def pids_in(path: Path) -> list[int]:
    wait_until(path.exists, str(path), timeout_s=20)
    return [int(word) for word in path.read_text().split()]


def test_run_returns_what_a_program_said() -> None:
    done = run(["sh", "-c", "cat; echo bad >&2; exit 3"], stdin="in", check=False)
    assert (done.status, done.stdout, done.stderr) == (3, "in", "bad\n")


def test_the_record_of_a_command_does_not_say_where_the_toolkits_python_lies() -> None:
    log = CommandLog()
    run([sys.executable, "-c", "print(1)"], log=log)
    run(["true"], log=log)
    assert [each["argv"] for each in log.entries] == [["python", "-c", "print(1)"], ["true"]]


def test_run_raises_with_command_status_and_message() -> None:
    with pytest.raises(CommandError, match=r"sh -c echo no >&2; exit 7.*7.*no"):
        run(["sh", "-c", "echo no >&2; exit 7"])


def test_run_ends_in_time_with_all_that_the_program_has_started(tmp_path: Path) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/draft; mv {tmp_path}/draft {tmp_path}/pids; wait"
    began = time.monotonic()
    with pytest.raises(GuestTimeout, match="no end within 1 s"):
        run(["sh", "-c", script], timeout_s=1)
    assert time.monotonic() - began < 20
    wait_until(lambda: not any(map(alive, pids_in(tmp_path / "pids"))), "the end of the child", timeout_s=5)


def test_run_ends_in_time_where_only_a_child_of_the_program_has_its_output(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(GuestTimeout, match="no end within 1 s"):
        run(["sh", "-c", "sleep 60 & exit 0"], timeout_s=1)
    assert time.monotonic() - began < 20


def test_a_program_that_does_not_exist_is_a_command_error() -> None:
    with pytest.raises(CommandError, match="/no/such/program"):
        Process(["/no/such/program"])


def test_a_process_is_stopped_with_its_children(tmp_path: Path) -> None:
    with Process(["sh", "-c", f"sleep 60 & echo $$ $! > {tmp_path}/draft; mv {tmp_path}/draft {tmp_path}/pids; wait"]):
        pids = pids_in(tmp_path / "pids")
        assert all(map(alive, pids))
    wait_until(lambda: not any(map(alive, pids)), "the end of the children", timeout_s=5)


def test_a_kept_program_passes_its_status_on(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        reaped = ReapedProcess(["sh", "-c", "echo said; exit 5"], stdout=out, stderr=out)
        assert reaped.wait(20) == 5
        reaped.release()
        killed = ReapedProcess(["sh", "-c", "kill -9 $$"], stdout=out, stderr=out)
        assert killed.wait(20) == 128 + signal.SIGKILL
        killed.release()
    assert (tmp_path / "out").read_text() == "said\n"


def test_a_kept_program_and_its_directory_are_gone_when_it_is_released(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    with (tmp_path / "out").open("wb") as out:
        reaped = ReapedProcess(
            [sys.executable, "-c", FAMILY, str(tmp_path / "pids")], stdout=out, stderr=out, remove=own
        )
        pids = pids_in(tmp_path / "pids")
        reaped.release()
        reaped.release()
    assert not any(map(alive, pids))
    assert not own.exists()


def test_a_kept_program_dies_with_an_owner_that_was_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, FAMILY, str(tmp_path / "pids")])
    try:
        pids = pids_in(tmp_path / "pids")
        assert all(map(alive, pids))
    finally:
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait()
    wait_until(lambda: not any(map(alive, pids)), "the end of the program", timeout_s=10)


def test_a_kept_program_is_held_and_goes_on(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        reaped = ReapedProcess([sys.executable, "-c", FAMILY, str(tmp_path / "pids")], stdout=out, stderr=out)
        program = pids_in(tmp_path / "pids")[0]

        def is_stopped() -> bool:
            return state(program) == "T"

        assert not is_stopped()
        reaped.hold()
        wait_until(is_stopped, "the hold", timeout_s=20)
        reaped.go_on()
        wait_until(lambda: not is_stopped(), "the end of the hold", timeout_s=20)
        reaped.hold()
        wait_until(is_stopped, "another hold", timeout_s=20)
        reaped.release()
        assert not Path(f"/proc/{program}").exists()
        reaped.hold()  # nothing: it has ended


def test_files_are_passed_on_in_their_order_whatever_numbers_they_have(tmp_path: Path) -> None:
    """A toolkit with many guests has so many open that theirs have just the numbers under which they are passed on."""
    files = [os.open(tmp_path / str(number), os.O_WRONLY | os.O_CREAT) for number in range(3)]
    crossed = [fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, FIRST_FD + 2 - number) for number, file in enumerate(files)]
    try:
        code = f"import os\nfor number in range(3): os.write({FIRST_FD} + number, b'%d' % number)"
        with (tmp_path / "out").open("wb") as out:
            reaped = ReapedProcess([sys.executable, "-c", code], stdout=out, stderr=out, pass_fds=crossed)
            assert reaped.wait(20) == 0
            reaped.release()
    finally:
        for file in (*files, *crossed):
            os.close(file)
    assert [(tmp_path / str(number)).read_text() for number in range(3)] == ["0", "1", "2"]


def test_a_directory_is_held_whatever_number_its_lock_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, hold = tmp_path / "own", directory_lock.hold
    own.mkdir()

    def hold_under_the_number_of_a_passed_file(directory: Path) -> int:
        handle = hold(directory)
        os.dup2(handle, FIRST_FD, inheritable=False)
        os.close(handle)
        return FIRST_FD

    monkeypatch.setattr(directory_lock, "hold", hold_under_the_number_of_a_passed_file)
    with (tmp_path / "out").open("wb") as out:
        reaped = ReapedProcess(
            [sys.executable, "-c", FAMILY, str(tmp_path / "pids")],
            stdout=out,
            stderr=out,
            pass_fds=[out.fileno()],
            cwd=own,
        )
        pids_in(tmp_path / "pids")
        assert not directory_lock.wait_until_free(own, 0.1)
        reaped.release()
    assert directory_lock.wait_until_free(own, 0.1)


def test_waiting_for_what_never_comes_ends_at_the_deadline() -> None:
    with pytest.raises(GuestTimeout, match=r"the moon: not ready within 0\.05 s"):
        wait_until(lambda: False, "the moon", timeout_s=0.05)


def test_the_id_of_a_process_that_has_ended_is_nobody_elses_until_it_is_stopped(tmp_path: Path) -> None:
    """Its group is signalled by that id: a stranger with the same one must not be hit, its own children must."""
    program = "sleep 60 & echo $! >$0.draft; mv $0.draft $0; exit 3"
    process = Process(["sh", "-c", program, str(tmp_path / "pid")])
    assert process.wait(20) == 3
    (child,) = pids_in(tmp_path / "pid")
    assert state(process.pid) == "Z"
    assert process.poll() == 3 and alive(child)
    process.signal(signal.SIGTERM)  # nothing: it has ended
    assert process.stop() == 3
    wait_until(lambda: not alive(child), "the child's end", timeout_s=20)
    assert process.stop() == 3 and process.poll() == 3 and process.wait() == 3
    assert not Path(f"/proc/{process.pid}").exists()


def test_the_status_of_a_killed_process_is_its_signal() -> None:
    process = Process(["sleep", "60"])
    process.signal(signal.SIGKILL)
    assert process.wait(20) == process.wait() == process.stop() == -signal.SIGKILL
