"""The digests of a point that has ended well, made.

The promise that they hold the next time is one of a virtual clock, the same seed and the same kernel (design invariant
8). Left out are the outcome, which has the wall's seconds in it, and `guest/`, which has paths and process ids of this
machine.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from testbed.record.digests import FILE, VERSION, Digests
from testbed.record.outcome import FILE as OUTCOME
from testbed.runs.store import write_json

_APART = frozenset({FILE, OUTCOME})


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
    made = Digests(version=VERSION, kernel=kernel, seed=seed, files=of_directory(directory))
    write_json(directory / FILE, made.fields())
    return made
