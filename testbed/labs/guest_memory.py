"""Where guests of the embedded lab keep their memory, and whether that will do; asked before the first one starts.

User-Mode Linux maps its memory from a file that it makes in a directory of this machine (arch/um/os-Linux/mem.c): the
one that TMPDIR, TMP or TEMP names, else /dev/shm. Where that is too small, or not there, a guest dies without a word.
"""

from __future__ import annotations

import os
from pathlib import Path

from testbed.base.errors import PrerequisiteError
from testbed.base.text import plain

WANTED_BYTES = 4 << 30
"""What a guest may come to use."""

LEAST_BYTES = 512 << 20
"""With less than this not even a small point comes to its end; the file grows with what the guest really touches."""

_VARIABLES = ("TMPDIR", "TMP", "TEMP")


def directory() -> tuple[str, Path]:
    """The directory, and the variable that names it (empty if none does)."""
    for name in _VARIABLES:
        if os.environ.get(name):
            return name, Path(os.environ[name])
    return "", Path("/dev/shm")


def free_bytes(path: Path) -> int:
    """The room in a directory; raises OSError."""
    state = os.statvfs(path)
    return state.f_bavail * state.f_frsize


def is_noexec(path: Path) -> bool:
    """Whether programs may not be mapped from its files, as a guest's memory is; raises OSError."""
    return bool(os.statvfs(path).f_flag & os.ST_NOEXEC)


def require() -> None:
    """Raise `PrerequisiteError` with a cure unless guests can have their memory there."""
    name, path = directory()
    where = f"{name}={plain(path)}" if name else str(path)
    if not path.is_absolute():
        hint = f"name it in full: {name}={plain(path.absolute())}"
        raise PrerequisiteError(f"{where}: guests keep their memory there, and work elsewhere", hint=hint)
    elsewhere = f"set {name or _VARIABLES[0]} to another directory"
    if not path.is_dir():
        raise PrerequisiteError(f"{where}: guests keep their memory there, but it is no directory", hint=elsewhere)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PrerequisiteError(f"{where}: guests keep their memory there, but it cannot be written", hint=elsewhere)
    if is_noexec(path):
        raise PrerequisiteError(f"{where}: guests keep their memory there, but it is mounted noexec", hint=elsewhere)
    if (free := free_bytes(path)) < LEAST_BYTES:
        what = f"{where}: guests keep their memory there, and need {LEAST_BYTES >> 20} MiB; {free >> 20} are free"
        raise PrerequisiteError(what, hint=f"make room, or {elsewhere}")
