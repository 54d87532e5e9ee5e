"""The releases of Linux that the lab kernel is built from: each with its Debian package, its lock and its patches.

What a release needs beyond the others lies in a folder of its name in `kernel-patches/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from testbed.base.errors import UsageError
from testbed.kernel import source_lock
from testbed.kernel.source_lock import LockedSource
from testbed.lock_file import FOLDER


@dataclass(frozen=True)
class Release:
    """A release of Linux: its name as in `7.3`, and where Debian has its source.

    `suite` is the suite of Debian's archive that has the package, where a machine's own sources need not; empty for a
    package that they have. `lock_folder` is where the lock's file lies.
    """

    name: str
    suite: str = ""
    lock_folder: Path = FOLDER

    @property
    def package(self) -> str:
        """The Debian package with its source."""
        return f"linux-source-{self.name}"

    def lock(self) -> LockedSource:
        """The source that its results were judged with; raises `ConfigError`."""
        return source_lock.read(self.lock_folder / f"kernel-source-{self.name}.toml")


DEFAULT = Release("6.12")
"""The release of the claims, which a set-up builds."""

RELEASES = {release.name: release for release in (DEFAULT, Release("7.3", suite="trixie-backports"))}

_NUMBERS = re.compile(r"(\d+)\.(\d+)")


def parse(name: str) -> Release:
    """The release of this name; raises `UsageError` that names those which exist."""
    if name not in RELEASES:
        raise UsageError(f"no release {name!r}", hint=f"the lab kernel's releases are: {', '.join(RELEASES)}")
    return RELEASES[name]


def of_source(identity: str) -> Release:
    """The release that a kernel's manifest means by its source; the default for a tree of the user's own."""
    package = identity.partition(" ")[0]
    return next((release for release in RELEASES.values() if release.package == package), DEFAULT)


def nearest(version: str) -> Release:
    """The release whose patches and configuration are the likeliest to fit a version: the newest that is no newer.

    The default for a version that cannot be read, and for one that is older than all.
    """
    found = _numbers(version)
    older = [release for release in RELEASES.values() if found and _numbers(release.name) <= found]
    return max(older, key=lambda release: _numbers(release.name), default=DEFAULT)


def _numbers(version: str) -> tuple[int, ...]:
    match = _NUMBERS.match(version)
    return (int(match[1]), int(match[2])) if match else ()
