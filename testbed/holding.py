"""Holds a program for a while by SIGSTOP: itself, and the copies that it has made of itself.

A guest of the embedded lab is a process that traces those of its programs. While it stands still, each of them comes to
its next system call and no further; a signal to one of them would be the guest's business. A copy of a guest
(`testbed.labs.uml_template`) is a child that nobody traces, to be stopped like the guest itself. It is known by
its working directory, which is another one than its parent's. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

_LIMIT_S = 5.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.002, 0.05
_STOPPED, _ON_A_CORE = "TtZX", "RD"  # proc_pid_stat(5)


def parents() -> dict[int, int]:
    """The parent of each process of this machine."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid = int(stat.parent.name)
            found[pid] = int(_after_name(pid)[1])
    return found


def state(pid: int) -> str:
    """The letter of a process's state, X of one that there is not (proc_pid_stat(5))."""
    try:
        return _after_name(pid)[0]
    except OSError:
        return "X"


def _after_name(pid: int) -> list[str]:
    """The fields of a process's stat behind its name, in which anything may be; raises OSError."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def descendants(root: int, parents: Mapping[int, int]) -> list[int]:
    """Process ids of everything below `root`."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found, queue = [], [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


class HeldProgram:
    """A program, a child of this process, that is held and goes on."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._copies: dict[int, int] = {}  # a handle for each id

    def hold(self, wait: Callable[[float], bool]) -> None:
        """Stop it and its copies, and return when nothing below it runs any more.

        That takes until each of a guest's programs has come to its next system call; one that computes for seconds
        without any is not waited for. `wait` takes so many seconds, and says whether nobody wants the hold any more.
        """
        self._tell(signal.SIGSTOP)
        waited_s, next_s = 0.0, _FIRST_WAIT_S
        while not self._stands_still() and waited_s < _LIMIT_S and not wait(next_s):
            waited_s += next_s
            next_s = min(2 * next_s, _LONGEST_WAIT_S)

    def go_on(self) -> None:
        """Let all of it go on."""
        for handle in self._copies.values():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGCONT)
            os.close(handle)
        self._copies.clear()
        self._tell(signal.SIGCONT)

    def _tell(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, number)

    def _stands_still(self) -> bool:
        """Whether all of it does; stops the copies that it finds on the way."""
        if state(self._pid) not in _STOPPED:
            return False
        of = parents()
        for pid in [pid for pid, parent in of.items() if parent == self._pid and pid not in self._copies]:
            # The program stands still, so it waits for no child: a process that has ended keeps its id.
            if _is_copy(pid, self._pid):
                with contextlib.suppress(ProcessLookupError):
                    self._copies[pid] = os.pidfd_open(pid)
                    signal.pidfd_send_signal(self._copies[pid], signal.SIGSTOP)
        if not all(state(pid) in _STOPPED for pid in self._copies):
            return False
        return not any(state(pid) in _ON_A_CORE for pid in descendants(self._pid, of))


def _is_copy(pid: int, of: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink() != Path(f"/proc/{of}/cwd").readlink()
    except OSError:  # it has ended
        return False
