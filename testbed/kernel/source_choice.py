"""Which version of the kernel source a build takes: the locked one where it can be had, else the newest that fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from testbed.base.errors import PrerequisiteError
from testbed.kernel import apt, download
from testbed.kernel.progress import Report
from testbed.kernel.release import Release
from testbed.kernel.source import DebianSource, downloaded, version_of


def candidates(
    downloads: Path,
    release: Release,
    report: Report,
    *,
    has_kernel: Callable[[DebianSource], bool],
    update: bool | None = None,
) -> Iterator[DebianSource]:
    """The versions of a release to try: each is asked for only if the series did not apply to those before.

    First the locked one: downloaded, or built already, or from the mirror now. The mirror is not asked again once
    another version has been settled on, unless `update` is False. Then the one that is downloaded, then all that apt
    knows, the newest first. `update` True asks for the newest whatever the lock says. Raises
    `PrerequisiteError` when none can be had.
    """
    locked = DebianSource(release.lock().version, release)
    file = downloaded(downloads, release)
    there = None if file is None else DebianSource(version_of(file), release)
    tried: list[DebianSource] = []
    if not update:
        ask = there is None or update is False or not download.has_pin(downloads, release)
        is_ready = there == locked or (there is None and has_kernel(locked))
        if is_ready or (ask and _has_come(release, downloads, report)):
            tried.append(locked)
            yield locked
        if there is not None and there != locked:
            tried.append(there)
            yield there
    for version in apt.versions(release, downloads):
        if DebianSource(version, release) not in tried:
            yield DebianSource(version, release)


def _has_come(release: Release, downloads: Path, report: Report) -> bool:
    try:
        download.fetch_locked(release, downloads, report)
    except PrerequisiteError:
        return False  # whoever builds is told by what is built: it is another version then
    return True
