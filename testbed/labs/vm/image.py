"""The VM's disk image: Debian by mmdebstrap, our files on top, packed into an ext4 file system without mounting it.

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
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from testbed.doctor import VM_PACKAGES_FILE, debian_packages
from testbed.errors import LabError, PrerequisiteError, UsageError
from testbed.labs.ssh.wheel import DISTRIBUTION, pinned
from testbed.labs.vm import packages, root_files
from testbed.labs.vm.root_files import HOST_NAME, Keys
from testbed.labs.vm.state import IMAGE, State
from testbed.process import Kept, run

SPACE_BYTES = 4_000_000_000
_FORMAT = 1
_POLL_S = 0.2
_SIZE = re.compile(r"[1-9]\d{0,3}[MG]")
# What the tar holds belongs to several users: without root it is unpacked in the user namespace of mmdebstrap.
_PACK = """\
set -e
mkdir root
tar --extract --numeric-owner --xattrs --file root.tar --directory root
mke2fs -q -t ext4 -L testbed -d root disk.img "$1"
rm -rf root root.tar"""

Report = Callable[[str], None]


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


def wanted() -> str:
    """The identity of the image that this toolkit would build: everything that it chooses goes into it."""
    nobody = Keys("", "", "")
    parts = [packages.codename(), packages.wanted(), _bundle(), root_files.texts(nobody), root_files.links()]
    return hashlib.sha256(json.dumps([_FORMAT, *parts], sort_keys=True).encode()).hexdigest()[:12]


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


def build(state: State, *, size: str, report: Report) -> Manifest:
    """Build the image, whole or not at all; a machine that has the old one must have been stopped.

    Raises `PrerequisiteError` for what this machine lacks, `LabError` for what fails.
    """
    require_programs()
    release = packages.codename()
    sources = packages.sources(release)
    state.prepare()
    require_space(state.folder)
    started = time.monotonic()
    waiting = "waiting for another build of the image"
    with state.shelf.lock(IMAGE, lambda: report(waiting)), state.shelf.building(IMAGE) as area:
        whole = area / "whole"
        whole.mkdir()
        keys = _make_keys(whole)
        dependencies = _bundle()
        root_files.write(area / "ours.tar", keys, dependencies)
        (area / "fetching.conf").write_text("".join(f"{line}\n" for line in packages.fetching()))
        _debootstrap(area, release, sources, report)
        report("packing the disk")
        helper = [] if os.geteuid() == 0 else ["mmdebstrap", "--unshare-helper"]
        _run_kept([*helper, "sh", "-c", _PACK, "sh", size], area, "pack", lambda _line: None)
        (area / "disk.img").rename(whole / "disk.img")
        (area / "packages.txt").rename(whole / "packages.txt")
        manifest = Manifest(
            id=wanted(),
            debian=release,
            python=f"{sys.version_info[0]}.{sys.version_info[1]}",
            packages=tuple(packages.wanted()),
            dependencies=dependencies,
            size=size,
            built_at=datetime.now(UTC).isoformat(timespec="seconds"),
            build_s=round(time.monotonic() - started, 1),
        )
        (whole / "manifest.json").write_text(manifest.model_dump_json(indent=1) + "\n")
        with state.changing():
            if state.is_alive():
                raise UsageError("the lab VM was started while its new disk was built", hint="run: testbed vm stop")
            state.disk.unlink(missing_ok=True)  # what it says of the old image is nothing to the new one
            state.shelf.adopt(whole, IMAGE)
    return manifest


def require_programs() -> None:
    """Raise `PrerequisiteError` unless the programs are here that build and run the machine."""
    needed = ("mmdebstrap", "mke2fs", "qemu-system-x86_64", "qemu-img", "ssh", "ssh-keygen")
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    missing = [name for name in needed if shutil.which(name, path=path) is None]
    if missing:
        names = " ".join(debian_packages(VM_PACKAGES_FILE))
        raise PrerequisiteError(
            f"the lab VM needs {', '.join(missing)}", hint=f"run: make vm, or as root: apt-get install {names}"
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
    return {**pinned(DISTRIBUTION), **pinned("pip", itself=True)}


def _make_keys(folder: Path) -> Keys:
    """Fresh keys: the user's stay in `folder`, the machine's own go to its disk and to known_hosts."""
    user, host = folder / "id_ed25519", folder / "host_key"
    for path in (user, host):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", HOST_NAME, "-f", path])
    public = host.with_suffix(".pub")
    keys = Keys(host.read_text(), public.read_text(), user.with_suffix(".pub").read_text())
    (folder / "known_hosts").write_text(f"{HOST_NAME} {' '.join(keys.host_public.split()[:2])}\n")
    host.unlink()
    public.unlink()
    return keys


def command(release: str, sources: Sequence[Path]) -> list[str]:
    """mmdebstrap's command line, for a directory with `ours.tar` and `fetching.conf`; leaves `root.tar`."""
    return [
        "mmdebstrap", "--variant=minbase", f"--include={','.join(packages.wanted())}", "--aptopt=fetching.conf",
        # Keys that an installation makes are the same in no two machines, but ours are known.
        '--customize-hook=rm -f "$1"/etc/ssh/ssh_host_*',
        "--customize-hook=tar-in ours.tar /",
        r"""--customize-hook=chroot "$1" dpkg-query -W -f '${Package} ${Version}\n' > packages.txt""",
        '--customize-hook=rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap',
        release, "root.tar", *map(str, sources),
    ]  # fmt: skip


def _debootstrap(area: Path, release: str, sources: Sequence[Path], report: Report) -> None:
    def pass_on(line: str) -> None:
        if line.startswith("I: ") and line.endswith("...") and "tempdir" not in line:
            report(line.removeprefix("I: ").removesuffix("..."))

    _run_kept(command(release, sources), area, "mmdebstrap", pass_on)


def _run_kept(argv: Sequence[str], area: Path, name: str, heard: Callable[[str], None]) -> None:
    """Run a program in `area` that ends with us, however we end, and everything it started too."""
    log = area / f"{name}.log"
    environment = {**os.environ, "TMPDIR": str(area), "LC_ALL": "C.UTF-8"}
    environment["PATH"] = os.pathsep.join([environment.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    with log.open("wb") as file:
        kept = Kept(argv, stdout=file, stderr=file, env=environment, cwd=area)
        try:
            said = 0
            while (status := kept.poll()) is None:
                time.sleep(_POLL_S)
                lines = log.read_text(errors="replace").splitlines()
                for line in lines[said:]:
                    heard(line)
                said = len(lines)
        finally:
            kept.release()
    if status != 0:
        lines = log.read_text(errors="replace").strip().splitlines()
        errors = [line for line in lines if line.startswith(("E: ", "mke2fs: "))] or lines or ["no message"]
        raise LabError(f"{name} ended with status {status}: {errors[0]}", console="\n".join(lines[-15:]))
