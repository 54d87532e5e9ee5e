"""Processor time that processes of this machine have taken, from `/proc/PID/stat` (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def own_s(pid: int) -> float:
    """CPU seconds of a process itself, all its threads."""
    return _of(pid, 0)


def ended_s(pid: int) -> float:
    """CPU seconds of its children that have ended and were waited for, with theirs in turn."""
    return _of(pid, 2)


def children(pid: int) -> list[int]:
    """Its children now, whichever of its threads has started them."""
    texts: Iterable[str] = (path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return sorted(int(word) for text in texts for word in text.split())


def _of(pid: int, first: int) -> float:
    # utime, stime, cutime, cstime are fields 14 to 17; the second one is a name, which may have blanks in it.
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
    return sum(map(int, words[first : first + 2])) / _TICKS
