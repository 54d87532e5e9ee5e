"""What was set in the lab before the workload, as it reads back: `settings.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from testbed.base.errors import AnalysisError
from testbed.record import reading
from testbed.record.model import Record

FILE = "settings.json"


class Settings(Record):
    """The lab's `kernel` (its release) and how each interface's traffic is shaped (`links`).

    Beside them stand, by the nodes' names, the settings of each node (sysctls, endpoints and limits of MPTCP), and what
    the director says of itself, under names of its own.
    """

    model_config = ConfigDict(extra="allow")

    kernel: str
    links: tuple[dict[str, Any], ...]


def read_kernel(directory: Path) -> str:
    """The release of the kernel that a point ran in, empty where nobody noted it; raises AnalysisError."""
    if not reading.is_there(directory / FILE):
        return ""
    found = reading.read_object(directory / FILE, FILE).get("kernel", "")
    if not isinstance(found, str):
        raise AnalysisError(f"{FILE}: 'kernel' is {reading.shown(found)}, no release of a kernel")
    return found
