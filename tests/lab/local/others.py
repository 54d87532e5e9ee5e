"""Somebody else's programs and files on this machine, while an experiment runs in the local lab."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Program:
    """One that runs meanwhile, and what prints its answer to a question."""

    argv: list[str]
    ask: list[str]


@dataclass(frozen=True)
class Others:
    """Places where programs of Debian's have their files, what is there, and who runs (`beside_others.py`)."""

    folders: list[str]
    files: dict[str, str]
    programs: list[Program] = field(default_factory=list)


def run_beside(others: Others, experiment: Path, out: Path) -> dict[str, Any]:
    """What they were before the experiment and after it, what they answer then, and what the experiment said."""
    told = out.with_suffix(".json")
    told.write_text(json.dumps(asdict(others)))
    probe = Path(__file__).with_name("beside_others.py")
    argv = ["unshare", "--mount", "--net", sys.executable, str(probe), str(told), str(experiment), str(out)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
