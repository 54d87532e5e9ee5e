from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from testbed.base.errors import GuestAsleep, GuestKilled, GuestPanic, GuestTimeout, LabError
from testbed.labs.verdict import GuestExit, judge, kernel_warnings, userspace_mode

SPLAT = """[    3.100000] ------------[ cut here ]------------
[    3.100000] WARNING: CPU: 0 PID: 7 at net/mptcp/protocol.c:2000 mptcp_recv+0x1/0x2
[    3.100000] Call Trace:
[    3.200000] all well again
"""


def guest_left(tmp_path: Path, console: str = "", status: dict[str, object] | None = None) -> Path:
    (tmp_path / "guest").mkdir()
    (tmp_path / "guest" / "console.log").write_text(console)
    if status is not None:
        (tmp_path / "guest" / "status.json").write_text(json.dumps(status))
    return tmp_path


def end(process_status: int = 0, *, wall_limit_hit: bool = False) -> GuestExit:
    return GuestExit(process_status, wall_limit_hit, wall_limit_s=60, clock_limit_s=600)


def test_an_exit_is_returned(tmp_path: Path) -> None:
    status = {"reason": "exit", "status": 3, "clock_s": 1.5}
    assert judge(guest_left(tmp_path, status=status), end()) == status


def test_a_panic_names_its_reason_and_shows_the_console(tmp_path: Path) -> None:
    out = guest_left(tmp_path, "before\n[ 1.0] Kernel panic - not syncing: Fatal exception\nafter\n")
    with pytest.raises(GuestPanic, match="panicked: Fatal exception") as caught:
        judge(out, end(1))
    assert caught.value.console.splitlines()[0] == "before"


def test_the_wall_limit_wins_over_a_missing_status(tmp_path: Path) -> None:
    with pytest.raises(GuestTimeout, match="after 60 s of real time"):
        judge(guest_left(tmp_path), end(137, wall_limit_hit=True))


def test_a_killed_process_is_named_with_its_signal(tmp_path: Path) -> None:
    with pytest.raises(GuestKilled, match="signal 9"):
        judge(guest_left(tmp_path), end(137))


def test_an_end_without_a_word_is_a_panic(tmp_path: Path) -> None:
    with pytest.raises(GuestPanic, match="without a word"):
        judge(guest_left(tmp_path), end(0))


def test_an_endless_sleep_names_who_sleeps(tmp_path: Path) -> None:
    status = {"reason": "asleep", "status": None, "waiting": ["12 sleep infinity (in hrtimer_nanosleep)"]}
    with pytest.raises(GuestAsleep, match="sleep infinity"):
        judge(guest_left(tmp_path, status=status), end())


def test_the_clock_limit_is_a_time_out(tmp_path: Path) -> None:
    status = {"reason": "clock-limit", "status": None, "waiting": []}
    with pytest.raises(GuestTimeout, match="no end within 600 s of the guest's clock"):
        judge(guest_left(tmp_path, status=status), end())


def test_a_failed_supervisor_says_why(tmp_path: Path) -> None:
    status = {"reason": "supervisor", "status": None, "error": "OSError(28)"}
    with pytest.raises(LabError, match=r"OSError\(28\)"):
        judge(guest_left(tmp_path, status=status), end())


def test_a_kernel_complaint_is_found_once_with_its_line(tmp_path: Path) -> None:
    out = guest_left(tmp_path, SPLAT + SPLAT)
    assert kernel_warnings(out) == (
        "WARNING: CPU: 0 PID: 7 at net/mptcp/protocol.c:2000 mptcp_recv+0x1/0x2",
        "Call Trace:",
    )


@pytest.mark.parametrize(
    ("console", "mode"),
    [
        ("Checking that seccomp filters can be installed...OK\n", "seccomp"),
        (
            "Checking that seccomp filters can be installed...FAILED\n"
            "Checking that ptrace can change system call numbers...OK\n",
            "ptrace",
        ),
        ("Checking that ptrace can change system call numbers...OK\n", "ptrace"),
        ("Linux version 7.3\n", ""),
    ],
)
def test_the_console_says_how_processes_were_held(tmp_path: Path, console: str, mode: str) -> None:
    assert userspace_mode(guest_left(tmp_path, f"Core dump limits :\n{console}")) == mode


def test_a_quiet_kernel_has_no_complaint(tmp_path: Path) -> None:
    assert kernel_warnings(guest_left(tmp_path, "[ 0.1] reboot: Power down\n")) == ()


@pytest.mark.parametrize(
    "status",
    [
        {}, {"reason": []}, {"reason": "other"}, {"reason": "exit"}, {"reason": "exit", "status": 0},
        {"reason": "exit", "status": None, "clock_s": 1.0}, {"reason": "start", "status": "0", "clock_s": 1.0},
        {"reason": "asleep", "waiting": 5}, {"reason": "asleep", "waiting": [5]},
    ],
)  # fmt: skip
def test_a_status_that_no_supervisor_writes_is_one_line(tmp_path: Path, status: dict[str, object]) -> None:
    with pytest.raises(LabError, match="makes no sense"):
        judge(guest_left(tmp_path, status=status), end())


def test_of_a_huge_console_the_beginning_and_the_end_are_read(tmp_path: Path) -> None:
    out = guest_left(tmp_path, SPLAT, {"reason": "exit", "status": 0, "clock_s": 1.0})
    console = out / "guest" / "console.log"
    with console.open("ab") as file:
        file.truncate(1 << 33)  # nothing on the disk, eight gigabytes to who reads all of it
        file.seek(0, 2)
        file.write(b"\n[ 9.0] BUG: at the end\n")
    found = kernel_warnings(out)
    assert found[1:3] == ("Call Trace:", "BUG: at the end")
    assert "bytes in its middle were not looked at" in found[3]
    assert judge(out, end())["status"] == 0


def test_a_line_of_a_console_and_the_number_of_complaints_are_bounded(tmp_path: Path) -> None:
    lines = [f"WARNING: {number} {'x' * 2000}" for number in range(1500)]
    out = guest_left(tmp_path, "\n".join(lines))
    found = kernel_warnings(out)
    assert max(map(len, found)) == 500
    assert len(found) == 101
    assert found[-1] == "and 1400 more complaints"
    with pytest.raises(GuestPanic) as caught:
        judge(out, end(0))
    assert len(caught.value.console) < 15 * 502


@pytest.mark.parametrize("name", ["console.log", "dmesg.log"])
def test_a_fifo_in_the_place_of_a_log_is_told(tmp_path: Path, name: str) -> None:
    out = guest_left(tmp_path)
    (out / "guest" / name).unlink(missing_ok=True)
    os.mkfifo(out / "guest" / name)
    assert kernel_warnings(out) == (f"guest/{name}: it cannot be read: not a regular file",)


def test_a_status_that_is_a_fifo_or_huge_is_one_line(tmp_path: Path) -> None:
    status = guest_left(tmp_path) / "guest" / "status.json"
    os.mkfifo(status)
    with pytest.raises(LabError, match="not a regular file: the command has written over it"):
        judge(tmp_path, end())
    status.unlink()
    status.write_bytes(b"[" + b"1," * (1 << 20) + b"1]")
    with pytest.raises(LabError, match=r"status\.json: larger than 1048576 bytes"):
        judge(tmp_path, end())


def test_what_a_guest_says_of_its_end_is_shown_in_part(tmp_path: Path) -> None:
    status = {"reason": "supervisor", "status": None, "error": "x" * 100_000}
    with pytest.raises(LabError) as caught:
        judge(guest_left(tmp_path, status=status), end())
    assert len(str(caught.value)) < 600
