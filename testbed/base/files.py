"""The one way to write a file, to make a directory, to remove what was made, and to read a file of somebody else's.

Writing: a private temporary file beside the target, whose name cannot be guessed, flushed to the disk and renamed. So a
file is there whole or not at all, and a link that lies at its place is replaced, never written through. Removing never
follows a link. Reading is of regular files only and of so many bytes at most: a FIFO or a device cannot hang it.

All raise OSError; whoever calls knows what to say of it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

MOST_BYTES = 1 << 28
"""What a file of settings or results may have at most (256 MB), unless its reader knows better."""

# The process id says whose it is, the random part that nobody can have put something there before.
_DRAFT = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d{1,10})-[0-9a-f]{16}\.testbed-draft", re.DOTALL)
_NAME_BYTES = 255


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which takes its name when the block ends well, and is gone when it does not.

    Its directory must be one and no link. What had the name before is kept until then.
    """
    draft = draft_path(path)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all; returns its path."""
    with replacing(path) as file:
        file.write(content)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a file of UTF-8 text whole or not at all; returns its path. What UTF-8 cannot say is escaped."""
    return write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def why_no_directory(path: Path) -> str:
    """What is in the place of a directory that is to be made or used, in a few words; empty if nothing is."""
    try:
        if not os.path.lexists(path) or path.is_dir():
            return ""
        return "not a directory" if path.exists() else "a link that leads nowhere"
    except OSError:  # who makes it hears why
        return ""


def link(path: Path, points_to: str) -> None:
    """Make a symbolic link, or let the one that is there point elsewhere; FileExistsError for anything else."""
    if os.path.lexists(path) and not path.is_symlink():
        raise FileExistsError(errno.EEXIST, "it is there, and no link", str(path))
    draft = draft_path(path)
    draft.symlink_to(points_to)
    try:
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def make_directory(path: Path) -> Path:
    """The directory, made if it is not there (its parents are there); NotADirectoryError for a link in its place."""
    with contextlib.suppress(FileExistsError):
        path.mkdir()
    if not stat.S_ISDIR(path.lstat().st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "not a directory (links are not followed)", str(path))
    return path


def remove(path: Path) -> None:
    """Remove a file, a link (not what it points to) or a whole directory; nothing if there is none.

    What somebody else removes at the same time is no error.
    """
    while True:
        try:
            if stat.S_ISDIR(path.lstat().st_mode):
                shutil.rmtree(path)  # by file descriptors: a link that takes a directory's place is not followed
            else:
                path.unlink()
        except FileNotFoundError:
            if not os.path.lexists(path):
                return
        else:
            return


def open_regular(path: Path) -> BinaryIO:
    """A regular file to read from; OSError for anything else, at once."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    state = os.fstat(handle)
    if stat.S_ISREG(state.st_mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "not a regular file", str(path))


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """All of a regular file, of `most` bytes at most; OSError with a reason for anything else."""
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"larger than {most} bytes", str(path))
    return content


def read_ends(path: Path, most: int) -> tuple[bytes, bytes, int]:
    """The first and the last `most` bytes of a regular file, and how many between them were left out (then not 0).

    A file of no more than twice as many is all in the first. OSError for what is no regular file.
    """
    with open_regular(path) as file:
        first = file.read(2 * most)
        left_out = os.fstat(file.fileno()).st_size - 2 * most
        if len(first) < 2 * most or left_out <= 0:
            return first, b"", 0
        file.seek(left_out + most)
        return first[:most], file.read(most), left_out


def read_text(path: Path, most: int = MOST_BYTES, errors: str = "strict") -> str:
    """The same as UTF-8 text, lines ending in a newline; ValueError if it is none (see codecs for `errors`)."""
    text = read_bytes(path, most).decode("utf-8", errors)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def draft_path(path: Path) -> Path:
    """A name beside the path that nobody can guess, and that `is_abandoned_draft` knows."""
    end = f".{os.getpid()}-{secrets.token_hex(8)}.testbed-draft"
    name = os.fsencode(path.name)[: _NAME_BYTES - len(end) - 1]
    return path.with_name(f".{os.fsdecode(name)}{end}")


def is_abandoned_draft(path: Path, name: str | None = None) -> bool:
    """Whether it is a draft (of that name) that a process of this user has left behind; a file or a link of ours."""
    match = _DRAFT.fullmatch(path.name)
    if not match or (name is not None and match["name"] != name) or is_alive(int(match["pid"])):
        return False
    try:
        state = path.lstat()
    except FileNotFoundError:
        return False
    return state.st_uid == os.getuid() and (stat.S_ISREG(state.st_mode) or stat.S_ISLNK(state.st_mode))


def is_alive(pid: int) -> bool:
    """Whether there is a process with this id."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
