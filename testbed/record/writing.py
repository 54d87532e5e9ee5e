"""How the analysis writes: each file whole or not at all, never through a link, and never over a file of somebody else.

In a run's directory the analysis' names (`summary.txt`, `tables/`, `figures/`) are ours. In any other directory a name
is ours if it was free when we first wrote there: `testbed.base.ownership` keeps a list of those.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from testbed.base import files, ownership
from testbed.base.errors import AnalysisError
from testbed.record import manifest

FOLDERS = ("figures", "tables")
"""The folders of a run's directory that the analysis makes."""


def make_folder(path: Path) -> Path:
    """A folder for results, made with the one that it lies in; raises AnalysisError, also for a link in its place."""
    if why := files.why_no_directory(path.parent):
        raise AnalysisError(f"{path.parent}: cannot be written: {why}", hint="name another with --out")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return files.make_directory(path)
    except OSError as error:
        raise _cannot(path, error) from error


@contextlib.contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """A file of results to write, in a folder that is there; raises AnalysisError where it cannot or may not be."""
    try:
        with ownership.replacing(path, is_ours=os.path.lexists(path) and is_of_run(path)) as file:
            yield file
    except OSError as error:
        raise _cannot(path, error) from error


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file of results; raises AnalysisError where it cannot or may not be."""
    with writing(path) as file:
        file.write(content)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a file of results, UTF-8 (what that cannot say is escaped); raises AnalysisError as `write_bytes`."""
    return write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def remove(path: Path) -> None:
    """Remove a file of results that we made and make no more; what is not on our list stays. Raises AnalysisError."""
    try:
        ownership.remove_one(path)
    except OSError as error:
        raise AnalysisError(f"{path}: cannot be removed: {error.strerror or error}") from error


def is_of_run(path: Path) -> bool:
    """Whether a file lies in a run's directory, or in a folder of it that the analysis makes."""
    folder = path.parent
    directory = folder.parent if folder.name in FOLDERS and not (folder / manifest.NAME).is_file() else folder
    try:
        manifest.read(directory / manifest.NAME)
    except (OSError, ValueError):
        return False
    return True


def _cannot(path: Path, error: OSError) -> AnalysisError:
    hint = "move it away, or name another place with --out" if isinstance(error, FileExistsError) else ""
    return AnalysisError(f"{path}: cannot be written: {error.strerror or error}", hint=hint)
