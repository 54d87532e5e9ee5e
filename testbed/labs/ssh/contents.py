"""What a job on another machine has left: the list of it, and the way it is laid down here.

The machine may be anybody's. So it chooses names below the output directory and nothing else here: no place behind a
link, no mode but `executable`, no link that leads out, no more bytes than it has announced and this disk has room for.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from testbed.base import files
from testbed.base.errors import LabError, PrerequisiteError
from testbed.base.text import plain
from testbed.labs.ssh.remote.protocol import ProtocolError

_MOST_ENTRIES = 100_000
_SPARE_BYTES = 10_000_000
_ELSEWHERE = "make room, or use --out with a directory elsewhere"

Report = Callable[[str], None]


@dataclass(frozen=True)
class RemoteFile:
    """A file as it is on the other side."""

    name: str
    size: int
    sha256: str
    mode: int

    def is_at(self, path: Path) -> bool:
        """Whether it is here already."""
        if path.is_symlink() or not path.is_file() or path.stat().st_size != self.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256


@dataclass(frozen=True)
class Contents:
    """What a job's output has: directories, files, links and what they point to."""

    directories: tuple[str, ...]
    files: tuple[RemoteFile, ...]
    links: tuple[tuple[str, str], ...]


def parse_contents(said: Any, host: str) -> Contents:
    """The other side's list (`testbed.labs.ssh.remote.commands.contents`); raises `ProtocolError`."""
    try:
        if sum(len(said[key]) for key in ("directories", "files", "links")) > _MOST_ENTRIES:
            raise ProtocolError(f"{host}: it has more than {_MOST_ENTRIES} files and directories")
        return Contents(
            tuple(_below(name) for name in said["directories"]),
            tuple(_wanted(*each) for each in said["files"]),
            tuple((_below(name), _text(points_to)) for name, points_to in said["links"]),
        )
    except (TypeError, KeyError, ValueError) as error:
        why = error if isinstance(error, _Outside) else "it makes no sense"
        raise ProtocolError(f"{host}: its list of results: {why}") from error


class _Outside(ValueError):
    """A name that is not one of the output."""


def _wanted(name: object, size: object, sha256: object, mode: object) -> RemoteFile:
    if type(size) is not int or type(mode) is not int or size < 0:
        raise ValueError
    return RemoteFile(_below(name), size, _text(sha256), mode)


def _below(name: object) -> str:
    pure = PurePosixPath(_text(name))
    if not pure.parts or pure.is_absolute() or ".." in pure.parts:
        raise _Outside(f"it names a file outside of its output: '{plain(name)}'")
    return str(pure)


def _text(value: object) -> str:
    # Lone surrogates are the bytes of names that are no UTF-8; others are nothing.
    if not isinstance(value, str) or "\0" in value:
        raise ValueError
    os.fsencode(value)
    return value


def receive(
    contents: Contents, write: Callable[[list[RemoteFile]], None], target: Path, *, host: str, report: Report
) -> None:
    """Lay down a job's output: directories, the files that are not here yet by `write`, then links.

    `report` is told of links that are left out. Raises `PrerequisiteError` when it cannot be written here, and what
    `write` raises.
    """
    try:
        for name in contents.directories:
            place(target, f"{name}/_")
        missing = [each for each in contents.files if not each.is_at(place(target, each.name))]
        require_room(sum(each.size for each in missing), target)
        if missing:
            write(missing)
        left_out = [(name, points_to) for name, points_to in contents.links if not _link(target, name, points_to)]
    except (ConnectionError, TimeoutError):
        raise
    except OSError as error:
        where = plain(error.filename2 or error.filename or target)
        raise PrerequisiteError(
            f"{where}: the results cannot be written here: {error.strerror or error}", hint=_ELSEWHERE
        ) from error
    if left_out:
        name, points_to = left_out[0]
        more = f" and {len(left_out) - 1} more" if len(left_out) > 1 else ""
        report(
            f"{host}: links that lead out of the results, or lie where a file is, are left out: "
            f"{plain(name)} -> {plain(points_to)}{more}"
        )


def write_files(found: Mapping[str, bytes], missing: list[RemoteFile], target: Path, host: str) -> None:
    """Write files that have come as a whole; raises `LabError` for one that is not what the list says."""
    for each in missing:
        payload = found.get(each.name)
        if payload is None or hashlib.sha256(payload).hexdigest() != each.sha256:
            raise LabError(f"{host}: {plain(each.name)} did not arrive as it is there")
        with files.replacing(place(target, each.name)) as file:
            file.write(payload)
            set_mode(file, each)


def set_mode(file: IO[bytes], wanted: RemoteFile) -> None:
    """Let a file be executed here by those who may read it, if it is a program there."""
    if wanted.mode & 0o100:
        mode = os.fstat(file.fileno()).st_mode & 0o777
        os.fchmod(file.fileno(), mode | (mode & 0o444) >> 2)


def place(target: Path, name: str) -> Path:
    """The path here of what has this name there; its directories are made, and none of them is a link."""
    *parents, last = PurePosixPath(name).parts
    path = target
    for each in parents:
        path = files.make_directory(path / each)
    return path / last


def require_room(needed_bytes: int, target: Path) -> None:
    """Raise `PrerequisiteError` unless this disk has room for so much."""
    free = shutil.disk_usage(target).free
    if needed_bytes and free < needed_bytes + _SPARE_BYTES:
        raise PrerequisiteError(
            f"{target}: the results need {needed_bytes / 1e6:.0f} MB, {free / 1e6:.0f} MB are free", hint=_ELSEWHERE
        )


def _link(target: Path, name: str, points_to: str) -> bool:
    """Make a link whose target is in the output, too; False, and nothing made, for any other."""
    if not _stays_inside(name, points_to):
        return False
    try:
        files.link(place(target, name), points_to)
    except FileExistsError:
        return False
    return True


def _stays_inside(name: str, points_to: str) -> bool:
    """Whether a link cannot lead out, even through others: it may go up only at first, where no link can be."""
    words = points_to.split("/")
    ups = next((count for count, word in enumerate(words) if word != ".."), len(words))
    depth = len(PurePosixPath(name).parts) - 1
    return bool(points_to) and not points_to.startswith("/") and ups <= depth and ".." not in words[ups:]
