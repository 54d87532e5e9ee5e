"""The VM's finished image: what it is, whether it is there, and its build, whole or not at all.

    image/disk.img        the file system, sparse; the machine never changes it
    image/manifest.json   what it was made from
    image/id_ed25519      the key that logs in, made for this image alone; id_ed25519.pub
    image/known_hosts     the machine's own key under the name `root_files.HOST_NAME`
    image/packages.txt    every Debian package on it with its version

The kernel is not on it: QEMU loads that itself, so that a new one needs no new image.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import time
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from testbed.base.errors import PrerequisiteError, UsageError
from testbed.debian_packages import VM_PACKAGES_FILE, debian_packages
from testbed.labs.ssh.wheel import RUNS_POINTS, pinned
from testbed.labs.vm import disk, packages, root_files, user_namespace
from testbed.labs.vm.disk import Report
from testbed.labs.vm.root_files import Keys
from testbed.labs.vm.state import IMAGE, State
from testbed.process import search_path

SPACE_BYTES = 4_000_000_000
_FORMAT = 1
_SIZE = re.compile(r"[1-9]\d{0,3}[MG]")


class Manifest(BaseModel):
    """What is known of a finished image."""

    model_config = ConfigDict(frozen=True)

    format: int = _FORMAT
    id: str
    debian: str
    python: str
    packages: tuple[str, ...]
    dependencies: dict[str, str]
    size: str
    built_at: str
    build_s: float


def identity(more: Collection[str] = ()) -> str:
    """The identity of the image that this toolkit would build: everything that it chooses goes into it.

    `more` are the Debian packages that parts need beyond our list.
    """
    nobody = Keys("", "", "")
    parts = [packages.codename(), packages.names(more), _bundle(), root_files.texts(nobody), root_files.links()]
    return hashlib.sha256(json.dumps([_FORMAT, *parts], sort_keys=True).encode()).hexdigest()[:12]


def is_current(made: Manifest) -> bool:
    """Whether this toolkit would build the same image, with the packages of the same parts."""
    return made.id == identity(set(made.packages) - set(packages.names()))


def find(state: State) -> Manifest | None:
    """The finished image, if there is one that this toolkit can read."""
    try:
        return Manifest.model_validate_json((state.image / "manifest.json").read_bytes())
    except (OSError, ValidationError):
        return None


def check_size(size: str) -> str:
    """The disk's size as mke2fs takes it; raises `UsageError`."""
    if not _SIZE.fullmatch(size):
        raise UsageError(f"disk size {size!r}", hint="write for instance 8G, or 6000M")
    return size


def build(state: State, *, size: str, report: Report, more: Collection[str] = ()) -> Manifest:
    """Build the image, whole or not at all; a machine that has the old one must have been stopped.

    `more` are the Debian packages that parts need beyond our list.

    Raises `PrerequisiteError` for what this machine lacks, `LabError` for what fails.
    """
    require_programs()
    user_namespace.require()
    release = packages.codename()
    sources = packages.sources(release)
    with state.build_lock(lambda: report("waiting for another build of the image")):
        require_space(state.folder)
        state.remove_builds()
        try:
            with state.image_artifacts.building(IMAGE) as area:
                started = time.monotonic()
                (whole := area / "whole").mkdir()
                dependencies = _bundle()
                disk.make(
                    area,
                    whole,
                    release=release,
                    sources=sources,
                    names=packages.names(more),
                    dependencies=dependencies,
                    size=size,
                    report=report,
                )
                manifest = Manifest(
                    id=identity(more),
                    debian=release,
                    python=f"{sys.version_info[0]}.{sys.version_info[1]}",
                    packages=tuple(packages.names(more)),
                    dependencies=dependencies,
                    size=size,
                    built_at=datetime.now(UTC).isoformat(timespec="seconds"),
                    build_s=round(time.monotonic() - started, 1),
                )
                (whole / "manifest.json").write_text(manifest.model_dump_json(indent=1) + "\n")
                _publish(state, whole)
        finally:
            state.remove_builds()  # files that a user cannot remove but with root's rights in a namespace
    return manifest


def _publish(state: State, whole: Path) -> None:
    with state.machine_lock():
        if state.is_alive():
            raise UsageError("the lab VM was started while its new disk was built", hint="run: testbed vm stop")
        state.disk.unlink(missing_ok=True)  # what it says of the old image is nothing to the new one
        state.image_artifacts.publish(whole, IMAGE)


def require_programs() -> None:
    """Raise `PrerequisiteError` unless the programs are here that build and run the machine."""
    needed = ("mmdebstrap", "mke2fs", "unshare", "qemu-system-x86_64", "qemu-img", "ssh", "ssh-keygen")
    missing = [name for name in needed if shutil.which(name, path=search_path()) is None]
    if missing:
        names = " ".join(debian_packages(VM_PACKAGES_FILE))
        raise PrerequisiteError(
            f"the lab VM needs {', '.join(missing)}",
            hint=f"run: testbed setup --with vm, or as root: apt-get install {names}",
        )


def require_space(folder: Path) -> None:
    """Raise `PrerequisiteError` unless the directory has room for an image that is being built."""
    free = shutil.disk_usage(folder).free
    if free < SPACE_BYTES:
        raise PrerequisiteError(
            f"{folder} has {free / 1e9:.1f} GB free, building the VM needs {SPACE_BYTES / 1e9:.0f} GB",
            hint="make room, or set TESTBED_VM to a directory elsewhere",
        )


def _bundle() -> dict[str, str]:
    """The Python packages that go on the disk: what the toolkit needs, and pip to put the toolkit on top."""
    return {**pinned(RUNS_POINTS), **pinned("pip", itself=True)}
