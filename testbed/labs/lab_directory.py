"""A lab's own folder in a job's output directory (`guest/`, `local/`): made by us, and emptied only of what is ours.

The output directory is somebody else's choice (`testbed exec --out DIR`), and there may be anything in it already. A
folder that is there is ours if it has the job file that each job begins with; of such a folder an earlier job's files
are removed by their names, and the rest stays. Anything else is refused before anything is touched.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from testbed.base import files, ownership
from testbed.base.errors import PrerequisiteError, UsageError
from testbed.base.text import parse_json

JOB = "job.json"
_NAMES = ("console.log", "dmesg.log", "status.json", "stderr", "stdin", "stdout")
_KEYS = {"argv", "cwd", "env", "clock_limit_s", "terminal"}
_ELSEWHERE = "name another directory with --out"


def prepare(folder: Path, request: Mapping[str, Any], beside: str = "") -> None:
    """Make the folder, or empty one of ours, and begin it with the request as its job file.

    `beside` is the name of a file of the lab beside the folder, which goes with it. Raises `UsageError` for what is
    not ours, `PrerequisiteError` where nothing can be written.
    """
    output = folder.parent
    try:
        output.mkdir(parents=True, exist_ok=True)
        _require_ours(folder, output / beside if beside else None)
        files.make_directory(folder)
        for path in (*(folder / name for name in _NAMES), *([output / beside] if beside else [])):
            path.unlink(missing_ok=True)
        ownership.remove_drafts(folder)
        files.write_text(folder / JOB, json.dumps(request, indent=1) + "\n")
    except OSError as error:
        where = error.filename or folder
        raise PrerequisiteError(f"{where}: cannot be written: {error.strerror or error}", hint=_ELSEWHERE) from error


def begin(path: Path) -> IO[bytes]:
    """A new file in the lab's folder, to which everybody who has it appends; raises `PrerequisiteError`."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise cannot_write(path, error) from error
    return os.fdopen(handle, "ab")


def cannot_write(output: Path, error: OSError) -> PrerequisiteError:
    """The error for an output directory in which a lab cannot write."""
    return PrerequisiteError(f"{output}: cannot be written: {error.strerror or error}", hint=_ELSEWHERE)


def _require_ours(folder: Path, beside: Path | None) -> None:
    if not os.path.lexists(folder):
        if beside is not None and os.path.lexists(beside):
            raise UsageError(f"{beside}: it is there already, and no job of ours made it", hint=_ELSEWHERE)
        return
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise UsageError(f"{folder}: the lab needs this name for a directory of its own", hint=_ELSEWHERE)
    present = sorted(path for path in folder.iterdir() if not files.is_abandoned_draft(path))
    if present and not _is_job(folder / JOB):
        raise UsageError(
            f"{folder}: the lab needs this name, and there is something else in it: {present[0].name}", hint=_ELSEWHERE
        )
    for path in (*(folder / name for name in (*_NAMES, JOB)), *([beside] if beside else [])):
        if os.path.lexists(path) and stat.S_ISDIR(path.lstat().st_mode):
            raise UsageError(f"{path}: the lab needs this name for a file of its own", hint=_ELSEWHERE)


def _is_job(path: Path) -> bool:
    """Whether the file is one that `prepare` wrote."""
    try:
        if path.is_symlink() or not ownership.is_mine(path):
            return False
        request = parse_json(files.read_bytes(path))
    except (OSError, ValueError):
        return False
    return isinstance(request, dict) and request.keys() >= _KEYS
