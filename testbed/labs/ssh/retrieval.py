"""Files from the other machine, in one stream, each compared by its SHA-256; where they may land: `contents`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import paramiko

from testbed.base import files
from testbed.base.errors import LabError
from testbed.base.text import plain
from testbed.labs.base import Cancel
from testbed.labs.ssh.connection import Connection, ConnectionLost
from testbed.labs.ssh.contents import Contents, RemoteFile, place, receive, set_mode
from testbed.labs.ssh.remote.protocol import FrameReader, ProtocolError

_CHUNK = 1 << 17


def fetch(
    connection: Connection,
    contents: Contents,
    command: str,
    target: Path,
    *,
    cancel: Cancel | None = None,
    report: Callable[[str], None] = lambda _what: None,
) -> None:
    """Bring a job's files here; what is here already, byte for byte, is not fetched again, so it can be repeated.

    `command` sends the files (`testbed.labs.ssh.remote.send`). `report` is told of links that are left out. Raises
    `LabError` for a file that does not arrive as it is there, `PrerequisiteError` when it cannot be written here.
    """
    write = partial(_fetch_files, connection, command, target=target, cancel=cancel or Cancel())
    receive(contents, write, target, host=str(connection.address), report=report)


def _fetch_files(
    connection: Connection, command: str, wanted: Sequence[RemoteFile], target: Path, *, cancel: Cancel
) -> None:
    with connection.short_channel(command) as channel:
        channel.sendall(json.dumps([each.name for each in wanted]).encode() + b"\n")
        frames = _frames(connection, channel, cancel)
        header, payload = next(frames)
        for each in wanted:
            digest, left = hashlib.sha256(), each.size
            with files.replacing(place(target, each.name)) as file:
                while header.get("file") == each.name:
                    left -= len(payload)
                    if not payload or left < 0:
                        raise ProtocolError(f"{connection.address}: {plain(each.name)} is not as long as announced")
                    digest.update(payload)
                    file.write(payload)
                    header, payload = next(frames)
                if "error" in header:
                    raise LabError(f"{connection.address}: {plain(header['error'])}")
                if digest.hexdigest() != each.sha256:
                    raise LabError(f"{connection.address}: {plain(each.name)} did not arrive as it is there")
                set_mode(file, each)


def _frames(connection: Connection, channel: paramiko.Channel, flag: Cancel) -> Iterator[tuple[dict[str, Any], bytes]]:
    """What the other side sends; raises `ConnectionLost` when it ends early."""
    reader = FrameReader()
    while data := channel.recv(_CHUNK):
        flag.raise_if_set()
        yield from reader.feed(data)
    raise ConnectionLost(f"{connection.address}: the connection was lost")
