"""Files to the other machine, over SFTP, and from it, in one stream; what comes is compared by its SHA-256."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import paramiko

from testbed.errors import LabError, PrerequisiteError
from testbed.labs.base import Cancel
from testbed.labs.ssh.connection import Connection, ConnectionLost
from testbed.labs.ssh.far.protocol import FrameReader

_CHUNK = 1 << 17
_CLOSED = "Socket is closed"  # paramiko's word for a connection that broke


def send(connection: Connection, files: Mapping[str, Path | bytes], cancel: Cancel | None = None) -> None:
    """Write files there, in this order, by path there; their directories are made.

    Raises `LabError` naming what cannot be written; sizes are compared after each.
    """
    flag = cancel or Cancel()
    made: set[PurePosixPath] = set()
    with connection.files() as sftp:
        for name, content in files.items():
            flag.raise_if_set()
            _make_directory(sftp, PurePosixPath(name).parent, made)
            try:
                if isinstance(content, bytes):
                    with sftp.open(name, "wb") as file:
                        file.set_pipelined(True)
                        file.write(content)
                    if sftp.stat(name).st_size != len(content):
                        raise OSError("half written")
                else:
                    sftp.put(str(content), name, callback=_stop_at(flag), confirm=True)
                    sftp.chmod(name, content.stat().st_mode & 0o777)
            except (ConnectionError, TimeoutError, EOFError, paramiko.SSHException):
                raise
            except OSError as error:
                if str(error) == _CLOSED:
                    raise EOFError from error
                raise LabError(f"{connection.address}: {name}: cannot be written: {error.strerror or error}") from error


def fetch(
    connection: Connection, contents: Mapping[str, Any], command: str, target: Path, cancel: Cancel | None = None
) -> None:
    """Bring a job's files here; what is here already, byte for byte, is not fetched again, so it can be repeated.

    `contents` is the other side's list (`testbed.labs.ssh.far.commands.contents`), `command` sends the files
    (`testbed.labs.ssh.far.send`). Raises `LabError` for a file that does not arrive as it is there,
    `PrerequisiteError` when it cannot be written here.
    """
    try:
        for name in contents["directories"]:
            _inside(target, name).mkdir(parents=True, exist_ok=True)
        files = [_Wanted(name, *rest) for name, *rest in contents["files"]]
        missing = [each for each in files if not each.is_at(_inside(target, each.name))]
        if missing:
            _fetch_files(connection, command, missing, target, cancel or Cancel())
        for name, points_to in contents["links"]:
            path = _inside(target, name)
            path.unlink(missing_ok=True)
            path.symlink_to(points_to)
    except (ConnectionError, TimeoutError):
        raise
    except OSError as error:
        raise PrerequisiteError(
            f"{error.filename or target}: the results cannot be written here: {error.strerror or error}",
            hint="make room, or use --out with a directory elsewhere",
        ) from error


@dataclass(frozen=True)
class _Wanted:
    """A file as it is on the other side."""

    name: str
    size: int
    sha256: str
    mode: int

    def is_at(self, path: Path) -> bool:
        """Whether it is here already."""
        if path.is_symlink() or not path.is_file() or path.stat().st_size != self.size:
            return False
        return _sha256(path) == self.sha256


def _fetch_files(connection: Connection, command: str, files: Sequence[_Wanted], target: Path, flag: Cancel) -> None:
    with connection.errand(command) as channel:
        channel.sendall(json.dumps([each.name for each in files]).encode() + b"\n")
        frames = _frames(connection, channel, flag)
        header, payload = next(frames)
        for wanted in files:
            path = _inside(target, wanted.name)
            part = path.with_name(f".{path.name}.part")
            try:
                with part.open("wb") as file:
                    while header.get("file") == wanted.name:
                        file.write(payload)
                        header, payload = next(frames)
                if "error" in header:
                    raise LabError(f"{connection.address}: {header['error']}")
                if _sha256(part) != wanted.sha256:
                    raise LabError(f"{connection.address}: {wanted.name} did not arrive as it is there")
                part.chmod(wanted.mode | 0o200)
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)


def _frames(connection: Connection, channel: paramiko.Channel, flag: Cancel) -> Iterator[tuple[dict[str, Any], bytes]]:
    """What the other side sends; raises `ConnectionLost` when it ends early."""
    reader = FrameReader()
    while data := channel.recv(_CHUNK):
        flag.raise_if_set()
        yield from reader.feed(data)
    raise ConnectionLost(f"{connection.address}: the connection was lost")


def _inside(target: Path, name: str) -> Path:
    """The path here of what has this name there; another machine must not choose any other place here."""
    pure = PurePosixPath(name)
    path = target / pure
    if pure.is_absolute() or ".." in pure.parts or any(p.is_symlink() for p in path.parents if target in p.parents):
        raise LabError(f"the other side names a file outside of its output: {name!r}")
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stop_at(flag: Cancel) -> Callable[[int, int], None]:
    return lambda _done, _total: flag.raise_if_set()


def _make_directory(sftp: paramiko.SFTPClient, directory: PurePosixPath, made: set[PurePosixPath]) -> None:
    for each in (*reversed(directory.parents), directory):
        if each in made or str(each) == "/":
            continue
        try:
            sftp.stat(str(each))
        except FileNotFoundError:
            with contextlib.suppress(OSError):  # what is wrong with it shows when a file is written
                sftp.mkdir(str(each), 0o700)
        made.add(each)


def files_below(directory: Path) -> dict[str, Path]:
    """The regular files in a directory, by their path in it."""
    found = {}
    for folder, _directories, names in os.walk(directory):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                found[path.relative_to(directory).as_posix()] = path
    return found
