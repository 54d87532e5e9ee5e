"""The identity of the toolkit's own code, as far as a point depends on it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import testbed

_PACKAGES = ("experiments", "testbed", "topologies")
# The command line never runs in a lab, and a kernel, which has an identity of its own, is built before.
_ELSEWHERE = ("experiments/cli/", "experiments/__main__.py", "testbed/kernel_patches/")


def toolkit_sha256(root: Path | None = None) -> str:
    """SHA-256, in hexadecimal, over names and contents of all files that can take part in running a point.

    A point may come out differently with other code: one system call more draws another random number.
    """
    root = root or Path(testbed.__file__).resolve().parents[1]
    total = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted((root / package).rglob("*")):
            name = path.relative_to(root).as_posix()
            ours = path.suffix != ".pyc" and not any(part.startswith(".") for part in name.split("/"))
            if ours and path.is_file() and not name.startswith(_ELSEWHERE):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                total.update(f"{name} {content}\n".encode())
    return total.hexdigest()
