"""Stands between the toolkit and a program, a guest or a compiler, so that it never outlives the toolkit.

Started as a process of its own with a pipe on its standard input (`testbed.reaped_process`). It pins itself to one core
if told so, starts the program, and waits for either the program's end or the pipe's: the pipe closes when the toolkit
dies, however it dies. Until then it is told through it to hold the program for a while. It is the "subreaper" of the
program's processes, so each of them comes back to it and is ended by its own id (prctl(2), PR_SET_CHILD_SUBREAPER). At
last it removes the directory that was the program's own.

What a guest does in virtual time must follow from its job alone. So the program sees nothing of this machine
that varies: its memory always lies in the same place, the files passed on have the same numbers (`FIRST_FD`
and up), and it finds its own directory as its working directory, not by name.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from testbed.holding import HeldProgram, descendants, parents

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_ADDR_NO_RANDOMIZE = 0x0040000

FIRST_FD = 100
"""The guest has the first of the files that it is given under this number, the others under the next ones."""

HOLD, GO_ON = b"h", b"g"
"""What it is told through the pipe (`testbed.holding`)."""

_libc = ctypes.CDLL(None, use_errno=True)


def _prepare_program() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # User-Mode Linux derives the size of its memory from where the host has put its heap (linux_main()).
    _libc.personality(_ADDR_NO_RANDOMIZE)


def end_all() -> None:
    """End every process below this one, and wait until they are gone."""
    while below := descendants(os.getpid(), parents()):
        handles = {}
        for pid in below:
            with contextlib.suppress(OSError):
                handles[pid] = os.pidfd_open(pid)
        # One that ended meanwhile may have left its id to a stranger. The handle is of the process that had it when it
        # was opened; who is below this one with that id before and after is that process, or the handle's is dead.
        still = set(descendants(os.getpid(), parents()))
        for pid, handle in handles.items():
            if pid in still:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            os.close(handle)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _in_order(fds: list[int]) -> list[int]:
    """The files under the numbers from `FIRST_FD` on; what has one of these, the directory's lock say, stays open."""
    beyond = FIRST_FD + len(fds)
    moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, beyond) for fd in fds]
    for number in range(FIRST_FD, beyond):
        with contextlib.suppress(OSError):
            fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, beyond)
    return [os.dup2(fd, FIRST_FD + number) for number, fd in enumerate(moved)]


def run(runtime: Path | None, core: int, fds: list[int], argv: list[str]) -> int:
    """Run the program to its end, or to the toolkit's; returns its exit status, 128 + N after signal N."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if core >= 0:
        os.sched_setaffinity(0, {core})
    try:
        given = _in_order(fds)
        program = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, cwd=runtime, pass_fds=given, preexec_fn=_prepare_program
        )
        ended = os.pidfd_open(program.pid)
        held = HeldProgram(program.pid)
        while ended not in select.select([ended, 0], [], [])[0] and (word := os.read(0, 1)):
            if word == HOLD:
                held.hold(lambda wait_s: bool(select.select([ended, 0], [], [], wait_s)[0]))
            else:
                held.go_on()
        status = program.poll()
        return 255 if status is None else (status if status >= 0 else 128 - status)
    finally:
        end_all()
        if runtime is not None:
            shutil.rmtree(runtime, ignore_errors=True)


def main() -> None:
    """Arguments: directory to remove (or nothing), core (-1: any), file descriptors (comma-separated), the argv."""
    runtime, core, fds, *argv = sys.argv[1:]
    sys.exit(run(Path(runtime) if runtime else None, int(core), [int(fd) for fd in fds.split(",") if fd], argv))


if __name__ == "__main__":
    main()
