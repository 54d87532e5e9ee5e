"""Where a command may write a file: a name that is free, or has an older one of its kind. What else is there stays."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from testbed.base import files
from testbed.base.errors import PrerequisiteError, UsageError


def require_free(path: Path, kind: str, is_one: Callable[[bytes], bool], *, begins: int, option: str = "--out") -> None:
    """Raise `UsageError` unless the path, given by `option`, is free, or has an older file of this kind.

    `is_one` tells by a file's first `begins` bytes whether it is one. Called before the work, whose end is too late;
    so a directory that is not there is a `PrerequisiteError` here.
    """
    hint = f"name another file with {option}"
    if not path.parent.is_dir():
        raise PrerequisiteError(f"{path}: cannot be written: no such directory", hint=hint)
    if not os.path.lexists(path):
        return
    what = f"not {kind}"
    if path.is_symlink():
        what = "a link, which is not followed"
    elif path.is_dir():
        what = "a directory"
    elif not path.is_file():
        what = "not a regular file"
    elif is_one(_beginning(path, begins)):
        return
    raise UsageError(f"{path}: it is there already, and {what}", hint=hint)


def _beginning(path: Path, count: int) -> bytes:
    try:
        with files.open_regular(path) as file:
            return file.read(count)
    except OSError:
        return b""
