"""Parts that are users' own code: named by their paths, kept with a run as a record, and run from there only if asked.

A run's directory may come from anybody, and so may what lies in it: its copies of users' parts are never executed
unless somebody says that he trusts them. Otherwise the code comes from where the user himself names it, an experiment's
file or a path, and is compared with the run by its hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.composition import CODE
from testbed.base import files, own_code, ownership
from testbed.base.errors import PrerequisiteError, UsageError
from testbed.base.own_errors import BadCode
from testbed.base.text import plain
from testbed.record.point import Point
from testbed.runs.store import RunStore


def load_parts(paths: Sequence[Path]) -> None:
    """Load parts that the user names by their paths, so that points made of them can be run here.

    Raises `UsageError`, in a line with the file's name, for one that cannot be loaded or lies in a run's directory.
    """
    for path in paths:
        try:
            own_code.read_own(path).load()
        except BadCode as error:
            raise UsageError(str(error), hint=error.hint) from error


def keep(points: Sequence[Point], run: RunStore) -> None:
    """Copy the code of users' own parts into the run's directory, once for each; raises `PrerequisiteError`."""
    for sha256 in dict.fromkeys(part.sha256 for point in points for part in point.parts.values() if part.sha256):
        code = own_code.recall(sha256)
        if code is None:
            continue
        try:
            code.write(files.make_directory(files.make_directory(run.directory / CODE) / sha256))
        except OSError as error:
            raise PrerequisiteError(f"{error.filename}: cannot be written: {error.strerror or error}") from error


def trust(run: RunStore, points: Sequence[Point]) -> None:
    """Load the run's own copies of the parts that its points need and nobody has named.

    Raises `UsageError` for one that is not there, or is not what the points say.
    """
    for point in points:
        for part in point.parts.values():
            if not part.sha256 or own_code.recall(part.sha256):
                continue
            folder = run.directory / CODE / part.sha256
            try:
                if not part.sha256.isalnum() or folder.is_symlink() or not ownership.is_mine(folder):
                    raise BadCode(f"{plain(folder)}: no copy of {plain(part.name)} that is yours")
                code = own_code.found(folder, part.module)
                if code.sha256 != part.sha256:
                    raise BadCode(f"{plain(folder)}: it has been changed since the run")
                code.load()
            except BadCode as error:
                raise UsageError(f"{point.id}: {error}", hint=error.hint) from error
