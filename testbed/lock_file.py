"""The lock: which Python packages `make setup` installs, to the byte. `make lock` renews it (`.ci/lock`).

    testbed/locked/python.txt        the toolkit's packages, those of its tests among them
    testbed/locked/python-build.txt  what builds the packages that come as source; installed first

Both are requirement files with hashes, for every Python that the toolkit runs on; neither says where packages come
from: that is pip's own configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

import testbed
from testbed.base.errors import ConfigError

FOLDER = Path(testbed.__file__).with_name("locked")
PACKAGES = FOLDER / "python.txt"
BUILD_PACKAGES = FOLDER / "python-build.txt"

_MOST_SHOWN = 80
_HASH = re.compile(r"\s--hash=(\S+)")


@dataclass(frozen=True)
class Locked:
    """One entry: the requirement with its only version and its marker, and the hashes that its files may have."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def version(self) -> str:
        """The one version that is wanted."""
        return str(self.requirement.specifier).removeprefix("==")

    def applies(self, environment: Mapping[str, str] | None = None) -> bool:
        """Whether it is wanted at all: by the Python that runs, or by one that differs from it in `environment`."""
        return self.requirement.marker is None or self.requirement.marker.evaluate(dict(environment or {}))

    def line(self) -> str:
        """The entry as a line of a requirement file."""
        return " ".join([str(self.requirement), *(f"--hash={each}" for each in self.hashes)])


def read(path: Path) -> dict[str, Locked]:
    """The entries of a lock file by canonical name; raises `ConfigError` with the line for one without hashes or
    with no single version, and for everything that is no entry."""
    found: dict[str, Locked] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(path, None, f"the lock cannot be read: {error}", hint="run: make lock") from error
    begun = ""
    for number, line in enumerate(lines, start=1):
        if line.lstrip().startswith("#"):
            continue
        begun += line.removesuffix("\\")
        if line.endswith("\\") or not begun.strip():
            continue
        entry = _entry(path, number, begun)
        found[canonicalize_name(entry.requirement.name)] = entry
        begun = ""
    return found


def _entry(path: Path, number: int, text: str) -> Locked:
    hashes = tuple(_HASH.findall(text))
    try:
        requirement = Requirement(_HASH.sub("", text).strip())
    except InvalidRequirement as error:
        raise ConfigError(
            path, number, f"no locked package: {_cut(str(error).splitlines()[0])}", hint="run: make lock"
        ) from error
    pins = list(requirement.specifier)
    if requirement.url or len(pins) != 1 or pins[0].operator != "==" or "*" in pins[0].version or not hashes:
        raise ConfigError(
            path, number, f"{_cut(requirement.name)}: without one version and its hashes", hint="run: make lock"
        )
    return Locked(requirement, hashes)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
