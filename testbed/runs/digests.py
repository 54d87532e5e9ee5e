"""Digests of a finished point: SHA-256 of every file that must come out the same when the point is run again.

That promise holds for a virtual clock, the same seed and the same kernel (design invariant 8). Left out are
the outcome, which has the wall's seconds in it, and `guest/`, which has paths and process ids of this machine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.base import files
from testbed.base.errors import ConfigError
from testbed.base.text import parse_json
from testbed.record.outcome import FILE as OUTCOME
from testbed.runs.store import write_json

FILE = "digests.json"
VERSION = 1

_APART = frozenset({FILE, OUTCOME})


@dataclass(frozen=True)
class Digests:
    """`kernel` is the identity of the kernel's build; `files` maps a name to its SHA-256 in hexadecimal."""

    kernel: str
    seed: int
    files: dict[str, str]

    def differing(self, other: Digests) -> list[str]:
        """Names of the files that are not the same in both, in order; a file that one lacks is among them."""
        names = sorted(self.files | other.files)
        return [name for name in names if self.files.get(name) != other.files.get(name)]


def of_directory(directory: Path) -> dict[str, str]:
    """SHA-256 of every file that the promise covers; raises OSError."""
    found = {}
    for path in sorted(directory.iterdir()):
        if path.is_file() and not path.name.startswith(".") and path.name not in _APART:
            with path.open("rb") as file:
                found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def write(directory: Path, *, kernel: str, seed: int) -> Digests:
    """Write `digests.json` into the directory of a point that has just ended well; raises OSError."""
    made = Digests(kernel, seed, of_directory(directory))
    write_json(directory / FILE, {"version": VERSION, "kernel": kernel, "seed": seed, "files": made.files})
    return made


def read(directory: Path) -> Digests | None:
    """The digests of a point's directory, None if it has none; raises `ConfigError` for a file that is not one."""
    path = directory / FILE
    try:
        raw: Any = parse_json(files.read_bytes(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(path, None, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(raw, dict) or raw.get("version") != VERSION:
        raise ConfigError(path, None, f"not the digests of a point of version {VERSION}")
    kernel, seed, listed = (raw.get(key) for key in ("kernel", "seed", "files"))
    if not isinstance(kernel, str) or not isinstance(seed, int) or not isinstance(listed, dict):
        raise ConfigError(path, None, "not the digests of a point")
    return Digests(kernel, seed, {str(name): str(digest) for name, digest in listed.items()})
