"""Which captures a point has: `captures.json` at the client, `server_captures.json` at the servers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from pathlib import Path

from testbed.base.errors import AnalysisError
from testbed.record import model, reading
from testbed.record.model import Count, FileName, Record

FILE = "captures.json"
AT_SERVERS = "server_captures.json"


class CaptureFile(Record):
    """One capture of a client's `interface`, and how many packets tcpdump said it has `captured` and `dropped`."""

    interface: str
    file: FileName
    captured: Count
    dropped: Count


class ServerCapture(Record):
    """One capture at a server, the `node`: of SYNs and RSTs, or of all packets where the point asks for it."""

    node: str
    file: FileName


def read_captures(directory: Path) -> tuple[CaptureFile, ...]:
    """The list of captures; raises AnalysisError, also for an interface or a file that is in it twice."""
    found = model.read_list(CaptureFile, directory / FILE)
    require_once(FILE, "interface", (each.interface for each in found))
    require_once(FILE, "file", (each.file for each in found))
    return found


def require_once(name: str, what: str, values: Iterable[Hashable]) -> None:
    """Raise AnalysisError for a value that is twice in the list `name`: its packets would count twice."""
    for value, count in Counter(values).most_common(1):
        if count > 1:
            raise AnalysisError(f"{name}: {what} {reading.shown(value)} is listed {count} times")


def read_server_captures(directory: Path) -> tuple[ServerCapture, ...]:
    """The list of captures at the servers, empty for a point without them; raises AnalysisError."""
    path = directory / AT_SERVERS
    found = model.read_list(ServerCapture, path) if reading.is_there(path) else ()
    require_once(AT_SERVERS, "file", (each.file for each in found))
    return found
