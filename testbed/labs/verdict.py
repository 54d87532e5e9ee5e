"""What became of a guest: told from its status file, its console and how its process ended.

Exit, time-out, endless sleep, panic, a kernel complaint and a kill from outside are different
things to a reader, so each gets an error of its own with the end of the console.

Root in the guest can put anything in the place of these files, and as much as it likes into them: of a log the
beginning and the end are read, of a line its beginning is shown, and what was not looked at is told as a warning.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.base import files
from testbed.base.errors import GuestAsleep, GuestKilled, GuestPanic, GuestTimeout, LabError
from testbed.base.text import parse_json
from testbed.labs.guest import DMESG_FILE, STATUS_FILE

CONSOLE_FILE = "guest/console.log"

_COMPLAINT = re.compile(
    r"\b(WARNING: |BUG: |kernel BUG at|Call Trace:|Oops|general protection|blocked for more than|"
    r"rcu: INFO|possible (recursive|circular) locking|unable to handle kernel)"
)
_USERSPACE = re.compile(r"Checking that (?:(seccomp) filters can be installed|(ptrace) can change .*)\.\.\.OK$")
_PANIC = re.compile(r"Kernel panic - not syncing: (.*)")
_TAIL_LINES = 15
_END_BYTES = 1 << 22
_STATUS_BYTES = 1 << 20
_LINE_CHARACTERS = 500
_MOST_COMPLAINTS = 100


@dataclass(frozen=True)
class GuestExit:
    """How the guest's process ended on the host, and whether we ended it for taking too long."""

    process_status: int
    wall_limit_hit: bool
    wall_limit_s: float
    clock_limit_s: float


def _lines(path: Path) -> tuple[list[str], str]:
    """The lines of a log's beginning and end, each cut to what can be shown, and why that is not all, if it is not."""
    try:
        first, last, left_out = files.read_ends(path, _END_BYTES)
    except FileNotFoundError:
        return [], ""
    except OSError as error:
        return [], f"it cannot be read: {error.strerror}"
    lines = [line for end in (first, last) for line in end.decode(errors="replace").splitlines()]
    why = f"{left_out} bytes in its middle were not looked at" if left_out else ""
    return [line[:_LINE_CHARACTERS] for line in lines], why


def console_tail(path: Path) -> str:
    """The end of a console: a panic and what follows it, else the last lines."""
    lines, _why = _lines(path)
    panic = next((number for number, line in enumerate(lines) if _PANIC.search(line)), None)
    return "\n".join(lines[-_TAIL_LINES:] if panic is None else lines[max(0, panic - 5) : panic + _TAIL_LINES])


def kernel_warnings(output: Path) -> tuple[str, ...]:
    """Lines of the kernel's log that say something went wrong in the kernel (each once), and what could not be read."""
    logs = {name: _lines(output / name) for name in (CONSOLE_FILE, DMESG_FILE)}
    unread = (f"{name}: {why}" for name, (_, why) in logs.items() if why)
    return (*complaints(line for lines, _ in logs.values() for line in lines), *unread)


def complaints(lines: Iterable[str]) -> tuple[str, ...]:
    """Those lines of a kernel's log that say something went wrong in it, each once, without their time stamps.

    Of very many the first are returned, and how many more there are.
    """
    texts = (re.sub(r"^(<\d>)?\[\s*[\d.]+\]\s*", "", line).strip() for line in lines)
    found = list(dict.fromkeys(text for text in texts if _COMPLAINT.search(text)))
    more = len(found) - _MOST_COMPLAINTS
    return (*found[:_MOST_COMPLAINTS], f"and {more} more complaints") if more > 0 else tuple(found)


def userspace_mode(output: Path) -> str:
    """How a lab kernel held its processes, `seccomp` or `ptrace`, as its console says; empty if it does not."""
    lines, _why = _lines(output / CONSOLE_FILE)
    return next((match[1] or match[2] for line in lines if (match := _USERSPACE.match(line))), "")


def read_status(path: Path) -> dict[str, Any] | None:
    """What a supervisor has left in its status file, or None if the guest did not live to write it.

    Raises `LabError` for one that no supervisor writes: a command that is root can put anything there.
    """
    try:
        status = parse_json(files.read_bytes(path, _STATUS_BYTES))
    except (FileNotFoundError, ValueError):
        return None
    except OSError as error:
        raise LabError(f"{path.parent.name}/{path.name}: {error.strerror}: the command has written over it") from error
    if not isinstance(status, dict):
        return None
    reason, waiting = status.get("reason"), status.get("waiting", [])
    ends = [status.get("status"), status.get("clock_s")] if reason in ("exit", "start") else []
    if (
        reason not in ("exit", "start", "asleep", "clock-limit", "supervisor")
        or not isinstance(waiting, list)
        or not all(isinstance(each, str) for each in waiting)
        or not all(isinstance(each, int | float) and math.isfinite(each) for each in ends)
    ):
        raise LabError(f"{path.parent.name}/{path.name}: it makes no sense: the command has written over it")
    return status


def judge(output: Path, end: GuestExit) -> dict[str, Any]:
    """The status of a guest that ran its command to the end; raises the fitting `LabError` otherwise."""
    tail = console_tail(output / CONSOLE_FILE)
    status = read_status(output / STATUS_FILE)
    panic = _PANIC.search(tail)
    if panic is not None:
        raise GuestPanic(f"the guest's kernel panicked: {panic.group(1).strip()}", console=tail)
    if end.wall_limit_hit:
        raise GuestTimeout(f"the guest was ended after {end.wall_limit_s:g} s of real time", console=tail)
    if status is None:
        if end.process_status >= 128:
            raise GuestKilled(
                f"the guest's process was killed from outside (signal {end.process_status - 128})", console=tail
            )
        raise GuestPanic(f"the guest ended without a word (status {end.process_status})", console=tail)
    if status["reason"] == "asleep":
        waiting = _short("; ".join(status.get("waiting", []))) or "no process"
        raise GuestAsleep(f"the guest went to sleep for ever: nothing is left that could wake {waiting}", console=tail)
    if status["reason"] == "clock-limit":
        raise GuestTimeout(f"no end within {end.clock_limit_s:g} s of the guest's clock", console=tail)
    if status["reason"] == "supervisor":
        raise LabError(f"the guest's supervisor failed: {_short(status.get('error', 'no reason given'))}", console=tail)
    return status


def _short(text: object) -> str:
    words = str(text)
    return words if len(words) <= _LINE_CHARACTERS else f"{words[:_LINE_CHARACTERS]}..."
