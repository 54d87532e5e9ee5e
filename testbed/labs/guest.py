"""The supervisor inside a guest (process 1): lays the mounts, runs one command, reports, powers off.

It reads `guest/job.json` from the output directory, runs the command with its output on the
serial lines (plain files on the host's side), reaps orphans, and bounds the guest's own clock.
Afterwards `guest/status.json` says how it ended. In virtual time an endless wait costs nothing:
the clock jumps to the limit, and the report then names the processes that were waiting.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

from testbed import template
from testbed.labs import guest_mounts
from testbed.labs.kernel_messages import message_of, open_log, records

STATUS_FILE = "guest/status.json"
JOB_FILE = "guest/job.json"
DMESG_FILE = "guest/dmesg.log"
_POWER_OFF = 0x4321FEDC  # LINUX_REBOOT_CMD_POWER_OFF, include/uapi/linux/reboot.h
_SLICES = 8


def activity() -> dict[int, int]:
    """Context switches of every process but this one and the kernel's threads, by process id."""
    switches: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            pid = int(fields["Pid"])
            if pid != os.getpid() and "VmSize" in fields:
                switches[pid] = int(fields["voluntary_ctxt_switches"]) + int(fields["nonvoluntary_ctxt_switches"])
    return switches


def waiting_processes() -> list[str]:
    """One line a process, the last that was started first: its id, its name, and the kernel function it waits in."""
    lines = []
    for pid in sorted(activity(), reverse=True):
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            place = Path(f"/proc/{pid}/wchan").read_text() or "?"
            lines.append(f"{pid} {command[:80]} (in {place})")
    return lines


def _serial_line(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_NOCTTY)


def _become_terminal_owner() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def start(job: dict[str, Any], out: Path) -> subprocess.Popen[bytes]:
    """Start the job's command on the serial lines (or on the terminal, if it has one)."""
    env = {**os.environ, **job["env"], "TESTBED_OUT": str(out)}
    if job["terminal"]:
        line = _serial_line("/dev/ttyS0")
        termios.tcsetwinsize(line, tuple(job["terminal"]))
        return subprocess.Popen(
            job["argv"],
            cwd=job["cwd"],
            env=env,
            stdin=line,
            stdout=line,
            stderr=line,
            preexec_fn=_become_terminal_owner,
        )
    stdout, stderr = _serial_line("/dev/ttyS0"), _serial_line("/dev/ttyS1")
    tty.setraw(stdout)
    tty.setraw(stderr)
    stdin = os.open(out / job["stdin"] if job["stdin"] else "/dev/null", os.O_RDONLY)
    return subprocess.Popen(
        job["argv"], cwd=job["cwd"], env=env, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
    )


def read_job(out: Path) -> dict[str, Any]:
    """The job as the lab has left it."""
    found: dict[str, Any] = json.loads((out / JOB_FILE).read_text())
    return found


def supervise(command: subprocess.Popen[bytes], clock_limit_s: Callable[[], float]) -> dict[str, Any]:
    """Wait for the command and reap every orphan; ends it when this clock comes to the job's limit.

    The command says with a signal that it has another job now, and so another limit (`testbed.template`).
    """
    awaited = {signal.SIGCHLD, template.JOB_CHANGED}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    before: dict[int, int] = {}
    now = activity()
    began_s = time.monotonic()
    limit_s = clock_limit_s()
    deadline, next_look = began_s + limit_s, began_s + limit_s / _SLICES
    while True:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pid = 0
            if pid == 0:
                break
            if pid == command.pid:
                code = os.waitstatus_to_exitcode(status)
                return {"reason": "exit", "status": code if code >= 0 else 128 - code}
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            asleep = now == before
            reason = "asleep" if asleep else "clock-limit"
            return {"reason": reason, "status": None, "waiting": waiting_processes()}
        if time.monotonic() >= next_look:
            before, now = now, activity()
            next_look += limit_s / _SLICES
        came = signal.sigtimedwait(awaited, max(0.0, min(remaining, next_look - time.monotonic())))
        if came and came.si_signo == template.JOB_CHANGED:
            limit_s = clock_limit_s()
            deadline, next_look = began_s + limit_s, began_s + limit_s / _SLICES


def kernel_log() -> str:
    """The kernel's messages, a line each, with their time stamps."""
    lines = []
    with contextlib.suppress(OSError):
        for record in records(open_log()):
            level, _, stamp, *_ = record.partition(";")[0].split(",")
            lines.append(f"<{int(level) & 7}>[{int(stamp) / 1e6:12.6f}] {message_of(record)}\n")
    return "".join(lines)


def write_anew(path: Path, text: str) -> None:
    """Write a file in the place of what the command may have put there: a FIFO would not end, a link lead elsewhere."""
    path.unlink(missing_ok=True)
    path.write_text(text)


def power_off() -> None:
    """Write everything back and end the guest."""
    os.sync()
    ctypes.CDLL(None).reboot(_POWER_OFF)


def main(out: Path = guest_mounts.OUT, lay: Callable[[], None] = guest_mounts.lay) -> None:
    """Lay the mounts, run the job found in `out` and leave its status there."""
    verdict: dict[str, Any] = {"reason": "supervisor", "status": None}
    try:
        lay()
        job = read_job(out)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        Path("/proc/sys/kernel/hostname").write_text("testbed\n")
        try:
            command = start(job, out)
        except OSError as error:
            missing = 127 if isinstance(error, FileNotFoundError) else 126
            verdict = {"reason": "start", "status": missing, "error": f"{job['argv'][0]}: {error.strerror}"}
        else:
            verdict = supervise(command, lambda: float(read_job(out)["clock_limit_s"]))
    except BaseException as error:  # process 1 must not end without a word: that is a kernel panic
        verdict["error"] = repr(error)
        sys.stderr.write(f"{error!r}\n")  # nobody can read a status that has no place to be written
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        verdict["clock_s"] = time.monotonic()
        with contextlib.suppress(OSError):
            write_anew(out / DMESG_FILE, kernel_log())
        with contextlib.suppress(OSError):
            write_anew(out / STATUS_FILE, json.dumps(verdict) + "\n")
        power_off()


if __name__ == "__main__":
    main()
