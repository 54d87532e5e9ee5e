"""Files to the other machine, over SFTP (from it: `testbed.labs.ssh.retrieval`)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import paramiko

from testbed.base.errors import LabError
from testbed.base.text import plain
from testbed.labs.base import Cancel
from testbed.labs.ssh.connection import Connection

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
                raise LabError(
                    f"{connection.address}: {plain(name)}: cannot be written: {plain(error.strerror or error)}"
                ) from error


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
