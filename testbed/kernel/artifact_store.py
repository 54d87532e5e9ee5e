"""A store of build artifacts: a folder of directories, each built once and published whole, by one rename.

<folder>/<name>/                   finished
<folder>/.building-<name>-<pid>/   a build under way; a directory in it becomes <name> by rename
<folder>/.lock-<name>              held while <name> is built
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed import directory_lock
from testbed.base import files, ownership
from testbed.base.locks import try_lock

_BUILDING = ".building-"


@dataclass(frozen=True)
class ArtifactStore:
    """The store in a folder, which must exist."""

    folder: Path

    @contextmanager
    def lock(self, name: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Be the only one who builds this; `waiting` is called once if somebody else does."""
        with ownership.open_lock(self.folder / f".lock-{name}") as file:
            if not try_lock(file):
                waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def idle(self, name: str) -> Iterator[bool]:
        """Whether nobody builds this; if so, nobody begins to until the block ends."""
        try:
            file = ownership.open_lock(self.folder / f".lock-{name}", create=False)
        except FileNotFoundError:
            yield True
            return
        with file:
            yield try_lock(file)

    @contextmanager
    def building(self, name: str) -> Iterator[Path]:
        """A directory to build in, which is gone at the end whatever happens; needs the lock."""
        folder = self.folder / f"{_BUILDING}{name}-{os.getpid()}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, whole: Path, name: str) -> None:
        """Put a finished directory in its place; needs the lock. A damaged one there makes way."""
        target = self.folder / name
        files.remove(target)
        whole.rename(target)

    def finished(self) -> list[Path]:
        """The directories that are in their place."""
        return sorted(path for path in self.folder.glob("[!.]*") if path.is_dir() and not path.is_symlink())

    def unfinished(self) -> list[Path]:
        """The directories in which something is being built, or was until it was killed."""
        found = sorted(self.folder.glob(f"{_BUILDING}*"))
        return [path for path in found if ownership.is_mine(path) and path.is_dir() and not path.is_symlink()]

    def remove_leftovers(self) -> list[Path]:
        """Remove the directories of killed builds and return them.

        A build lives as long as its lock is held. What a killed one had started ends at once; it is waited for.
        """
        removed = []
        for folder in self.unfinished():
            name = folder.name.removeprefix(_BUILDING).rpartition("-")[0]
            with self.idle(name) as nobody_builds:
                if nobody_builds and directory_lock.wait_until_free(folder):
                    files.remove(folder)
                    removed.append(folder)
        return removed
