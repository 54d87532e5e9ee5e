"""Which captures a point has: `captures.json` at the client, `server_captures.json` at the servers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.base.errors import AnalysisError
from testbed.record import fields, reading


@dataclass(frozen=True)
class CaptureFile:
    """One capture of a client interface and what tcpdump said about it (`captures.json`)."""

    interface: str
    file: str
    captured: int
    dropped: int


@dataclass(frozen=True)
class ServerCapture:
    """One capture of SYNs and RSTs at a server (`server_captures.json`)."""

    node: str
    file: str


def read_captures(directory: Path) -> tuple[CaptureFile, ...]:
    """The list of captures; raises AnalysisError."""
    raw, name = fields.load(directory / "captures.json", list)
    if not all(isinstance(entry, dict) for entry in raw):
        raise AnalysisError(f"{name}: not a list of objects")
    return tuple(
        CaptureFile(
            fields.get(entry, "interface", str, name),
            _file(entry, name),
            fields.get(entry, "captured", int, name),
            fields.get(entry, "dropped", int, name),
        )
        for entry in raw
    )


def read_server_captures(directory: Path) -> tuple[ServerCapture, ...]:
    """The list of captures at the servers, empty for a point without them; raises AnalysisError."""
    if not reading.is_there(directory / "server_captures.json"):
        return ()
    raw, name = fields.load(directory / "server_captures.json", list)
    if not all(isinstance(entry, dict) for entry in raw):
        raise AnalysisError(f"{name}: not a list of objects")
    return tuple(ServerCapture(fields.get(entry, "node", str, name), _file(entry, name)) for entry in raw)


def _file(entry: Mapping[str, object], name: str) -> str:
    """The name of a capture beside the list; whatever it says, it leads nowhere else."""
    file = Path(fields.get(entry, "file", str, name)).name
    if not file or not file.isprintable():
        raise AnalysisError(f"{name}: 'file' is {reading.shown(entry['file'])}, which names no file")
    return file
