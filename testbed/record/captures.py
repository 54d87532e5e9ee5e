"""Which captures a point has: `captures.json` at the client, `server_captures.json` at the servers."""

from __future__ import annotations

from pathlib import Path

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
    """The list of captures; raises AnalysisError."""
    return model.read_list(CaptureFile, directory / FILE)


def read_server_captures(directory: Path) -> tuple[ServerCapture, ...]:
    """The list of captures at the servers, empty for a point without them; raises AnalysisError."""
    path = directory / AT_SERVERS
    return model.read_list(ServerCapture, path) if reading.is_there(path) else ()
