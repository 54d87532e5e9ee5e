"""What both sides agree on: frames on a byte stream, errors as JSON, and the version of it all.

From there: a line of JSON, then `bytes` bytes if it says so. From here: lines of JSON. `serve` greets with
`{"hello": {"protocol": ..., "toolkit": ..., "python": ...}}`; then come

    {"heartbeat": true}                                   it is there
    {"job": ID, "stream": "stdout"|"stderr", "offset": N, "bytes": M}   what the job printed from N on
    {"job": ID, "end": {...}}                             how it ended (`testbed.labs.ssh.remote.job`)

and from here `{"do": "follow", "job": ID, "stdout": N, "stderr": M}` (starts the job if it was not),
`{"do": "cancel", "job": ID}`, `{"do": "leave", "job": ID}`, `{"do": "heartbeat"}`.
"""

from __future__ import annotations

import inspect
import json
import platform
from collections.abc import Mapping
from typing import Any

from testbed.base import errors
from testbed.base.errors import LabError, TestbedError
from testbed.base.text import parse_json, plain, plain_lines

VERSION = 1
STREAMS = ("stdout", "stderr")
_LINE_BYTES = 1 << 24
_PAYLOAD_BYTES = 1 << 22


class ProtocolError(LabError):
    """What the other side says makes no sense."""


class FrameReader:
    """Cuts a byte stream into frames, in whatever pieces it comes."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._searched = 0
        self._header: dict[str, Any] | None = None

    def feed(self, data: bytes) -> list[tuple[dict[str, Any], bytes]]:
        """The frames that these bytes complete: header and payload; raises `ProtocolError`."""
        self._rest += data
        frames: list[tuple[dict[str, Any], bytes]] = []
        while True:
            if self._header is None:
                end = self._rest.find(b"\n", self._searched)
                if end < 0:
                    self._searched = len(self._rest)
                    if self._searched > _LINE_BYTES:
                        raise ProtocolError("the other side sends a line without an end")
                    return frames
                self._searched = 0
                self._header = _header(bytes(self._rest[:end]))
                del self._rest[: end + 1]
            wanted = self._header.get("bytes", 0)
            if len(self._rest) < wanted:
                return frames
            frames.append((self._header, bytes(self._rest[:wanted])))
            del self._rest[:wanted]
            self._header = None


def _header(line: bytes) -> dict[str, Any]:
    try:
        header = parse_json(line)
    except ValueError:
        header = None
    size = header.get("bytes", 0) if isinstance(header, dict) else -1
    if not isinstance(header, dict) or type(size) is not int or not 0 <= size <= _PAYLOAD_BYTES:
        text = plain(line[:80].decode(errors="replace").strip())
        raise ProtocolError(
            f"the other side does not speak our language: '{text}'",
            hint="its shell must print nothing of its own when no terminal is there, see ~/.bashrc there",
        )
    return header


def frame(header: Mapping[str, Any], payload: bytes = b"") -> bytes:
    """The bytes of a frame."""
    head = {**header, "bytes": len(payload)} if payload else header
    return json.dumps(head).encode() + b"\n" + payload


def greeting(toolkit: str) -> dict[str, Any]:
    """Who speaks here: versions that must match."""
    version = ".".join(platform.python_version_tuple()[:2])
    return {"protocol": VERSION, "toolkit": toolkit, "python": version}


def compare(theirs: object, ours: Mapping[str, Any], host: str) -> None:
    """Raise `LabError` unless the other side's greeting is the one that we would send."""
    said = theirs if isinstance(theirs, dict) else {}
    for key, wanted in ours.items():
        if said.get(key) != wanted:
            raise LabError(f"{host}: its {key} is {plain(said.get(key))}, ours is {wanted}: they must be the same")


def error_to_json(error: BaseException) -> dict[str, str]:
    """An error for the other side."""
    if isinstance(error, TestbedError):
        console = error.console if isinstance(error, LabError) else ""
        return {"kind": type(error).__name__, "message": error.message, "hint": error.hint, "console": console}
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return {"kind": "LabError", "message": f"{where}{error.strerror or error}", "hint": ""}
    return {"kind": "LabError", "message": f"{type(error).__name__}: {error}", "hint": ""}


def error_from_json(error: object, host: str) -> TestbedError:
    """The error that the other side met, with the host's name in front; of its own class where that is known."""
    said = error if isinstance(error, dict) else {}
    kinds = {name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, TestbedError)}
    kind = kinds.get(str(said.get("kind")), LabError)
    message, hint = f"{host}: {plain(said.get('message', 'no reason given'))}", plain(said.get("hint", ""))
    if issubclass(kind, LabError):
        return kind(message, hint=hint, console=plain_lines(said.get("console", "")))
    try:
        return kind(message, hint=hint)
    except TypeError:  # an error that is made from other things
        return LabError(message, hint=hint)
