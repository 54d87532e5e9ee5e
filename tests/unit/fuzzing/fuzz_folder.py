"""A reader's folder on a file system in memory, beside one that nobody may touch, and whether anybody has."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

KEPT = "kept"
"""A folder beside the reader's own, with a file in it that nobody may touch."""

_TMPFS = Path("/dev/shm")


def tmpfs() -> Path | None:
    return _TMPFS if os.access(_TMPFS, os.W_OK) else None


class place:
    """A folder for the reader on a file system in memory, beside one that nobody may touch."""

    def __init__(self, name: str) -> None:
        self._name = "".join(letter if letter.isalnum() else "-" for letter in name)

    def __enter__(self) -> Path:
        self._root = Path(tempfile.mkdtemp(dir=tmpfs(), prefix=f"fuzzing-{self._name}-"))
        folder = self._root / "read"
        folder.mkdir()
        fill_kept(self._root / KEPT)
        return folder

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._root, ignore_errors=True)


def fill_kept(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "below").mkdir(parents=True)
    (folder / "mine").write_text("a user's own\n")
    (folder / "below" / "mine").write_text("[]\n")


def signature(folder: Path) -> list[tuple[object, ...]]:
    return sorted(_entries(folder), key=str)


def _entries(folder: Path) -> Iterator[tuple[object, ...]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            state = entry.stat(follow_symlinks=False)
            yield entry.path, state.st_mode, state.st_size, state.st_mtime_ns, state.st_ino
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(Path(entry.path))
