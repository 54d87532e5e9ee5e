"""Directories below $TMPDIR that end with a process of ours, and have its id, so that `testbed clean` finds them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PREFIX = "mptcp-testbed-"
"""Begins the name; the process id and a dash follow, and what makes the name unique."""


def make() -> Path:
    """A new directory, for the caller to remove; raises OSError."""
    return Path(tempfile.mkdtemp(prefix=_prefix()))


def temporary() -> tempfile.TemporaryDirectory[str]:
    """A new directory until the block ends; raises OSError."""
    return tempfile.TemporaryDirectory(prefix=_prefix())


def _prefix() -> str:
    return f"{PREFIX}{os.getpid()}-"
