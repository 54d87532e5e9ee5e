"""Files to and from the other machine, over SFTP; what is fetched is compared with the other side's SHA-256."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import paramiko

from testbed.errors import LabError, PrerequisiteError
from testbed.labs.base import Cancel
from testbed.labs.ssh.connection import Connection

_PREFETCHED = 64
_LOCAL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # SFTP has none of these
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
    connection: Connection, contents: Mapping[str, Any], source: str, target: Path, cancel: Cancel | None = None
) -> None:
    """Bring a directory here; what is here already, byte for byte, is not fetched again, so it can be repeated.

    `contents` is the other side's list (`testbed.labs.ssh.far.commands.contents`). Raises `LabError` for a file that
    does not arrive as it is there, `PrerequisiteError` when it cannot be written here.
    """
    flag = cancel or Cancel()
    try:
        for name in contents["directories"]:
            _inside(target, name).mkdir(parents=True, exist_ok=True)
        for name, size, digest, mode in contents["files"]:
            flag.raise_if_set()
            path = _inside(target, name)
            if not _is_same(path, size, digest):
                _fetch_file(connection, f"{source}/{name}", path, (digest, mode), flag)
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


def _fetch_file(connection: Connection, source: str, path: Path, wanted: tuple[str, int], flag: Cancel) -> None:
    digest, mode = wanted
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            _receive(connection, source, file, flag)
            file.flush()
        if _sha256(part) != digest:
            raise LabError(f"{connection.address}: {source} did not arrive as it is there")
        part.chmod(mode | 0o200)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _receive(connection: Connection, source: str, file: BinaryIO, flag: Cancel) -> None:
    with connection.files() as sftp:
        try:
            sftp.getfo(
                source, file, callback=_stop_at(flag), prefetch=True, max_concurrent_prefetch_requests=_PREFETCHED
            )
        except (ConnectionError, TimeoutError):
            raise
        except OSError as error:
            if error.errno in _LOCAL:
                raise
            if str(error) == _CLOSED:
                raise EOFError from error
            raise LabError(f"{connection.address}: {source}: cannot be read: {error.strerror or error}") from error


def _inside(target: Path, name: str) -> Path:
    """The path here of what has this name there; another machine must not choose any other place here."""
    pure = PurePosixPath(name)
    path = target / pure
    if pure.is_absolute() or ".." in pure.parts or any(p.is_symlink() for p in path.parents if target in p.parents):
        raise LabError(f"the other side names a file outside of its output: {name!r}")
    return path


def _is_same(path: Path, size: int, digest: str) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size == size and _sha256(path) == digest


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
