"""Cases of a probe, all measured in one guest, and what processes a toolkit has: for the tests of this folder."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed.labs.base import Job
from testbed.labs.uml import UmlLab


def measured(
    lab: UmlLab, probe: str, cases: Mapping[str, Mapping[str, Any]], output: Path, *, limit_s: float = 600
) -> dict[str, dict[str, Any]]:
    """What the program `probe` (`mptcp_server_probe.answer`) measures of each case, by its name."""
    file = output / "cases.json"
    file.write_text(json.dumps(cases))
    result = lab.run(Job((sys.executable, probe), output, wall_limit_s=limit_s, clock_limit_s=limit_s, stdin=file))
    assert result.status == 0, (output / "guest" / "stderr").read_text()
    assert result.kernel_warnings == ()
    return dict(json.loads((output / "results.json").read_text()))


def processes_in(place: str) -> list[str]:
    """Ids of the processes whose working directory's path begins so."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if str(entry.readlink()).startswith(place):
                found.append(entry.parent.name)
    return found
