"""Downloading the kernel source: the locked file from the pool of the machine's own mirror, or a version apt knows.

Either arrives in a directory of its own and is moved into the cache's `downloads/` when it is whole; other versions
of that release are removed then. As root, apt warns that its sandbox user cannot write there: harmless.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from testbed.base.errors import GuestTimeout, PrerequisiteError
from testbed.kernel import apt
from testbed.kernel.progress import Progress, Report
from testbed.kernel.release import Release
from testbed.kernel.source import DebianSource, version_of
from testbed.process import Process

ARRIVING = ".arriving-"
"""The name of a download's own directory begins so; the process id follows."""

_POLL_S = 0.2
_PIN = ".instead-of-"
"""A file so named, with a package and the start of its locked SHA-256, says that another version is wanted here, or is
the only one."""


def present(source: DebianSource, downloads: Path) -> Path | None:
    """The package file of a version if it is there; if it is the locked one, with the bytes that it must have."""
    lock = source.release.lock()
    for file in downloads.glob(f"{source.release.package}_*.deb"):
        if version_of(file) == source.version and (source.version != lock.version or sha256(file) == lock.sha256):
            return file
    return None


def fetch_locked(release: Release, downloads: Path, report: Report) -> Path:
    """Download a release's locked package from whichever of the machine's Debian mirrors has it.

    A mirror's pool has the packages of all suites, so it does not matter which of them the machine knows. Raises
    `PrerequisiteError` when none has the package: apt takes no other bytes for it.
    """
    lock = release.lock()
    name = lock.file.rpartition("/")[2]
    error = PrerequisiteError(f"apt knows no mirror of Debian to fetch {name} from", hint="run: sudo apt-get update")
    for root in apt.mirrors():
        argv = [apt.HELPER, "download-file", f"{root}/{lock.file}", name, f"SHA256:{lock.sha256}"]
        try:
            return _download(argv, release, name, downloads, total_bytes=lock.bytes, report=report)
        except PrerequisiteError as failure:
            error = failure
    raise error


def fetch(source: DebianSource, downloads: Path, report: Report) -> Path:
    """Download a version that apt knows, or the locked one, unless it is there; returns its file.

    Raises `PrerequisiteError` when it cannot be had.
    """
    release = source.release
    if (file := present(source, downloads)) is not None:
        return file
    if source.version == release.lock().version:
        return fetch_locked(release, downloads, report)
    wanted = f"{release.package}={source.version}"
    argv = ["apt-get", *apt.options(release, downloads), "download", wanted]
    total_bytes = apt.size_bytes(release, source.version, downloads)
    return _download(argv, release, wanted, downloads, total_bytes=total_bytes, report=report)


def has_pin(downloads: Path, release: Release) -> bool:
    """Whether it is settled that this cache has another version in place of the release's locked one."""
    return _note(downloads, release).exists()


def pin(source: DebianSource, downloads: Path) -> None:
    """Keep to this source in builds to come, though it is not the locked one; the locked one needs no note."""
    for note in downloads.glob(f"{_PIN}{source.release.package}-*"):
        note.unlink(missing_ok=True)
    if source.version != source.release.lock().version:
        _note(downloads, source.release).touch()


def sha256(file: Path) -> str:
    """In hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _note(downloads: Path, release: Release) -> Path:
    return downloads / f"{_PIN}{release.package}-{release.lock().sha256[:12]}"


def _download(
    argv: list[str], release: Release, wanted: str, downloads: Path, *, total_bytes: int, report: Report
) -> Path:
    """Run the program that leaves a package file where it runs, and put that into its place."""
    arrival = downloads / f"{ARRIVING}{os.getpid()}"
    shutil.rmtree(arrival, ignore_errors=True)
    arrival.mkdir(parents=True)
    log = arrival / "apt.log"
    try:
        with (
            log.open("wb") as output,
            Process(argv, stdout=output, stderr=output, cwd=arrival, env=os.environ | apt.C_LOCALE) as fetcher,
        ):
            while (status := _wait(fetcher)) is None:
                report(Progress("download", sum(_length(file) for file in arrival.rglob("*.deb")), total_bytes))
        file = next(arrival.glob("*.deb"), None)
        if status != 0 or file is None:
            errors = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("E:")]
            raise PrerequisiteError(
                f"apt-get could not download {wanted}: {errors[0] if errors else f'status {status}'}",
                hint="check the network, and run: sudo apt-get update",
            )
        for old in downloads.glob(f"{release.package}_*.deb"):
            old.unlink()
        return file.rename(downloads / file.name)
    finally:
        shutil.rmtree(arrival, ignore_errors=True)


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
