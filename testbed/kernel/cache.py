"""The cache outside the checkout that keeps downloads and finished kernels.

    <root>/downloads/linux-source-<release>_<version>_all.deb
    <root>/kernels/<id>/            linux (or bzImage), config, manifest.json, build.log; with --keep source/, build/
    <root>/kernels/failed-<id>.log  the log of the last build of <id> that failed
    <root>/selftests/<id>/          the kernel's own MPTCP tests, built
    <root>/libraries/<id>/          a library that programs in a lab preload

`kernels`, `selftests` and `libraries` are artifact stores (`testbed.kernel.artifact_store`).

The root is `$TESTBED_CACHE`, else `$XDG_CACHE_HOME/mptcp-lb-testbed`, else `~/.cache/mptcp-lb-testbed`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from testbed.base import files, ownership
from testbed.base.errors import PrerequisiteError
from testbed.kernel import config
from testbed.kernel.artifact_store import ArtifactStore
from testbed.kernel.release import of_source


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
    flavour: str = "uml"
    image: str = "linux"
    source: str
    source_sha256: str = ""
    patches: tuple[PatchRecord, ...]
    fragments: tuple[str, ...] = ()
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
    """A finished kernel: its identity, the image to start, its release, and its manifest."""

    id: str
    image: Path
    release: str
    manifest: Manifest

    def options(self) -> frozenset[str] | None:
        """The options (`CONFIG_IP_VS`) that it was built with; None where its configuration is not beside it."""
        try:
            return config.enabled(files.read_bytes(self.image.with_name("config")).decode())
        except (OSError, ValueError):
            return None

    def facts(self) -> dict[str, Any]:
        """What a run's manifest says of the kernel: its own manifest, and the source that its release's lock names."""
        lock = of_source(self.manifest.source).lock()
        return {**self.manifest.model_dump(mode="json"), "locked_source": lock.identity}


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

    @property
    def kernel_artifacts(self) -> ArtifactStore:
        """The kernels' folder, for those who build one."""
        return ArtifactStore(self.kernels)

    @property
    def selftest_artifacts(self) -> ArtifactStore:
        """Where the kernel's own tests lie."""
        return ArtifactStore(self.root / "selftests")

    @property
    def libraries(self) -> Path:
        """Where the toolkit's libraries for programs in a lab lie (`testbed.tools.large_reads`)."""
        return self.root / "libraries"

    @property
    def library_artifacts(self) -> ArtifactStore:
        """The libraries' folder, for those who build one."""
        return ArtifactStore(self.libraries)

    def load(self, kernel_id: str) -> Kernel | None:
        """The kernel with this identity; None if it is not there or not whole."""
        folder = self.kernels / kernel_id
        try:
            manifest = Manifest.model_validate_json(files.read_bytes(folder / "manifest.json"))
            image = folder / manifest.image
            if Path(manifest.image).name != manifest.image or image.stat().st_size != manifest.image_bytes:
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
            for folder in (self.downloads, self.kernels, self.selftest_artifacts.folder, self.libraries):
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


def default_cache(environ: Mapping[str, str] | None = None) -> Cache:
    """The cache that the environment names.

    Raises `PrerequisiteError` when there is not even a home directory, or when others may write there.
    """
    variables = os.environ if environ is None else environ
    if named := variables.get("TESTBED_CACHE"):
        return _trusted(Cache(Path(named).absolute()))
    base = Path(variables.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        home = variables.get("HOME")
        if not home:
            raise PrerequisiteError("no home directory for the cache", hint="set TESTBED_CACHE")
        base = Path(home) / ".cache"
    return _trusted(Cache(base / "mptcp-lb-testbed"))


def _trusted(cache: Cache) -> Cache:
    """The cache, unless others can change what lies in it: it holds programs that we start."""
    for folder in (cache.root, cache.kernels, cache.selftest_artifacts.folder, cache.libraries, cache.downloads):
        if why := ownership.why_not_private(folder):
            raise PrerequisiteError(
                f"the cache {folder} cannot be trusted: {why}",
                hint="set TESTBED_CACHE to a directory that only you can write to",
            )
    return cache
