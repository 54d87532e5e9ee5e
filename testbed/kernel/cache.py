"""The cache outside the checkout that keeps downloads and finished kernels.

    <root>/downloads/linux-source-6.12_<version>_all.deb
    <root>/kernels/<id>/            linux, config, manifest.json, build.log; with --keep also source/ and build/
    <root>/kernels/.building-<id>-<pid>/   a build under way; its `whole/` becomes <id> by rename
    <root>/kernels/.lock-<id>       held while <id> is built
    <root>/kernels/failed-<id>.log  the log of the last build of <id> that failed

The root is `$TESTBED_CACHE`, else `$XDG_CACHE_HOME/mptcp-lb-testbed`, else `~/.cache/mptcp-lb-testbed`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from testbed.errors import PrerequisiteError

_BUILDING = ".building-"


class PatchRecord(BaseModel):
    """A patch that went into a kernel."""

    model_config = ConfigDict(frozen=True)

    name: str
    sha256: str


class Manifest(BaseModel):
    """What is known of a finished kernel: what it was made from, how, and what came out."""

    model_config = ConfigDict(frozen=True)

    version: int = 1
    id: str
    release: str
    source: str
    patches: tuple[PatchRecord, ...]
    config_sha256: str
    compiler: str
    build_s: float
    steps: int
    built_at: str
    image_sha256: str
    image_bytes: int
    toolkit: str


@dataclass(frozen=True)
class Kernel:
    """A finished kernel: its identity, the program to start, its release, and its manifest."""

    id: str
    image: Path
    release: str
    manifest: Manifest


@dataclass(frozen=True)
class Cache:
    """The cache's directories below its root."""

    root: Path

    @property
    def downloads(self) -> Path:
        """Where source packages lie."""
        return self.root / "downloads"

    @property
    def kernels(self) -> Path:
        """Where kernels lie."""
        return self.root / "kernels"

    def load(self, kernel_id: str) -> Kernel | None:
        """The kernel with this identity; None if it is not there or not whole."""
        folder = self.kernels / kernel_id
        image = folder / "linux"
        try:
            manifest = Manifest.model_validate_json((folder / "manifest.json").read_bytes())
            if image.stat().st_size != manifest.image_bytes:
                return None
        except (OSError, ValidationError):
            return None
        return Kernel(kernel_id, image, manifest.release, manifest)

    def all(self) -> list[Kernel]:
        """Every whole kernel, the latest first."""
        names = [folder.name for folder in self.kernels.glob("[!.]*") if folder.is_dir()]
        found = [kernel for name in names if (kernel := self.load(name)) is not None]
        return sorted(found, key=lambda kernel: kernel.manifest.built_at, reverse=True)

    def prepare(self) -> None:
        """Make the directories; raises `PrerequisiteError` if nothing can be written there."""
        try:
            for folder in (self.downloads, self.kernels):
                folder.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder):
                    pass
        except OSError as error:
            raise PrerequisiteError(
                f"the cache {self.root} cannot be written: {error.strerror}",
                hint="set TESTBED_CACHE to a directory that can",
            ) from error

    def require_space(self, needed_bytes: int) -> None:
        """Raise `PrerequisiteError` unless that many bytes are free below the root."""
        free = shutil.disk_usage(self.root).free
        if free < needed_bytes:
            raise PrerequisiteError(
                f"{self.root} has {free / 1e9:.1f} GB free, the kernel build needs {needed_bytes / 1e9:.1f} GB",
                hint="make room, or set TESTBED_CACHE to a directory elsewhere",
            )

    @contextmanager
    def lock(self, kernel_id: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Be the only one who builds this kernel; `waiting` is called once if somebody else does."""
        with (self.kernels / f".lock-{kernel_id}").open("a") as file:
            if not _try_lock(file.fileno()):
                waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def building(self, kernel_id: str) -> Iterator[Path]:
        """A directory to build in, which is gone at the end whatever happens; needs the lock."""
        folder = self.kernels / f"{_BUILDING}{kernel_id}-{os.getpid()}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def adopt(self, whole: Path, kernel_id: str) -> None:
        """Put a finished kernel's directory in its place; needs the lock. A damaged one there makes way."""
        target = self.kernels / kernel_id
        shutil.rmtree(target, ignore_errors=True)
        whole.rename(target)

    def remove_leftovers(self) -> None:
        """Remove the directories of builds that were killed; a build lives as long as its lock is held."""
        for folder in self.kernels.glob(f"{_BUILDING}*"):
            kernel_id = folder.name.removeprefix(_BUILDING).rpartition("-")[0]
            if _lockable(self.kernels / f".lock-{kernel_id}"):
                shutil.rmtree(folder, ignore_errors=True)


def default_cache(environ: Mapping[str, str] | None = None) -> Cache:
    """The cache that the environment names; raises `PrerequisiteError` when there is not even a home directory."""
    variables = os.environ if environ is None else environ
    if named := variables.get("TESTBED_CACHE"):
        return Cache(Path(named).absolute())
    base = Path(variables.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        home = variables.get("HOME")
        if not home:
            raise PrerequisiteError("no home directory for the cache", hint="set TESTBED_CACHE")
        base = Path(home) / ".cache"
    return Cache(base / "mptcp-lb-testbed")


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lockable(path: Path) -> bool:
    """Whether nobody holds this file; a file that is not there is held by nobody."""
    try:
        with path.open("r+b") as file:
            return _try_lock(file.fileno())
    except FileNotFoundError:
        return True
