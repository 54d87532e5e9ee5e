"""Downloading the kernel source: the locked file from the pool of the machine's own mirror, or a version apt knows.

Either arrives in a directory of its own and is moved into the cache's `downloads/` when it is whole; other versions are
removed then. As root, apt warns that its sandbox user cannot write there: harmless.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

from testbed.base.errors import GuestTimeout, PrerequisiteError
from testbed.kernel.progress import Progress, Report
from testbed.kernel.source import PACKAGE, DebianSource, version_of
from testbed.kernel.source_lock import LockedSource
from testbed.process import Process, run

ARRIVING = ".arriving-"
"""The name of a download's own directory begins so; the process id follows."""

_POLL_S = 0.2
_C_LOCALE = {"LC_ALL": "C"}
_APT_HELPER = "/usr/lib/apt/apt-helper"
_INSTEAD = ".instead-of-"
"""A file so named, with the start of a locked SHA-256, says that another version is wanted here, or the only one."""


def present(source: DebianSource, downloads: Path, lock: LockedSource) -> Path | None:
    """The package file of a version if it is there; if it is the locked one, with the bytes that it must have."""
    for file in downloads.glob(f"{PACKAGE}_*.deb"):
        if version_of(file) == source.version and (source.version != lock.version or sha256(file) == lock.sha256):
            return file
    return None


def fetch_locked(lock: LockedSource, downloads: Path, report: Report) -> Path:
    """Download the locked package from whichever of the machine's Debian mirrors has it.

    Raises `PrerequisiteError` when none has: apt takes no other bytes for it.
    """
    columns = ["$(ORIGIN)", "$(REPO_URI)"]
    said = run(["apt-get", "indextargets", "--format", " ".join(columns), "Created-By: Packages"], check=False).stdout
    roots = dict.fromkeys(line.partition(" ")[2] for line in said.splitlines() if line.startswith("Debian "))
    name = lock.file.rpartition("/")[2]
    error = PrerequisiteError(f"apt knows no mirror of Debian to fetch {name} from", hint="run: sudo apt-get update")
    for root in roots:
        argv = [_APT_HELPER, "download-file", f"{root.rstrip('/')}/{lock.file}", name, f"SHA256:{lock.sha256}"]
        try:
            return _arrive(argv, name, lock.bytes, downloads, report)
        except PrerequisiteError as failure:
            error = failure
    raise error


def fetch(source: DebianSource, downloads: Path, lock: LockedSource, report: Report) -> Path:
    """Download a version that apt knows, or the locked one, unless it is there; returns its file.

    Raises `PrerequisiteError` when it cannot be had.
    """
    if (file := present(source, downloads, lock)) is not None:
        return file
    if source.version == lock.version:
        return fetch_locked(lock, downloads, report)
    wanted = f"{PACKAGE}={source.version}"
    return _arrive(["apt-get", "download", wanted], wanted, _size_bytes(wanted), downloads, report)


def is_instead(downloads: Path, lock: LockedSource) -> bool:
    """Whether it is settled that this cache has another version in place of the locked one."""
    return _note(downloads, lock).exists()


def settle(source: DebianSource, downloads: Path, lock: LockedSource) -> None:
    """Keep to this source in builds to come, though it is not the locked one; the locked one needs no note."""
    for note in downloads.glob(f"{_INSTEAD}*"):
        note.unlink(missing_ok=True)
    if source.version != lock.version:
        _note(downloads, lock).touch()


def sha256(file: Path) -> str:
    """In hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _note(downloads: Path, lock: LockedSource) -> Path:
    return downloads / f"{_INSTEAD}{lock.sha256[:12]}"


def _arrive(argv: list[str], wanted: str, total: int, downloads: Path, report: Report) -> Path:
    """Run the program that leaves a package file where it runs, and put that into its place."""
    arrival = downloads / f"{ARRIVING}{os.getpid()}"
    shutil.rmtree(arrival, ignore_errors=True)
    arrival.mkdir(parents=True)
    log = arrival / "apt.log"
    try:
        with (
            log.open("wb") as output,
            Process(argv, stdout=output, stderr=output, cwd=arrival, env=os.environ | _C_LOCALE) as apt,
        ):
            while (status := _wait(apt)) is None:
                report(Progress("download", sum(_length(file) for file in arrival.rglob("*.deb")), total))
        file = next(arrival.glob("*.deb"), None)
        if status != 0 or file is None:
            errors = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("E:")]
            raise PrerequisiteError(
                f"apt-get could not download {wanted}: {errors[0] if errors else f'status {status}'}",
                hint="check the network, and run: sudo apt-get update",
            )
        for old in downloads.glob(f"{PACKAGE}_*.deb"):
            old.unlink()
        return file.rename(downloads / file.name)
    finally:
        shutil.rmtree(arrival, ignore_errors=True)


def _size_bytes(wanted: str) -> int:
    """How large apt says the download is; 0 if it does not say."""
    shown = run(["apt-cache", "show", wanted], check=False).stdout
    match = re.search(r"^Size: (\d+)$", shown, re.MULTILINE)
    return int(match[1]) if match else 0


def _wait(process: Process) -> int | None:
    """The exit status of a program if it ends within one polling interval, else None."""
    try:
        return process.wait(_POLL_S)
    except GuestTimeout:
        return None


def _length(file: Path) -> int:
    """Bytes of a file that may be renamed at any moment."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
