"""Where a run is: a directory with a manifest, `run.json` (`testbed.record.manifest` has what that says)."""

from __future__ import annotations

import os
from pathlib import Path

MANIFEST = "run.json"


def run_around(path: Path) -> Path | None:
    """The run directory that a path lies in, links resolved; None if it lies in none."""
    return next((each for each in Path(os.path.realpath(path)).parents if (each / MANIFEST).exists()), None)
