"""Whose a file or a directory is: what may be replaced or removed, and which directory may be trusted.

Where a user names a directory for results, there may be anything in it already. So the names of the files that we made
in it are noted in a list beside them, `.testbed-files`: what is on it may be replaced and removed, nothing else.

All raise OSError; whoever calls knows what to say of it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from testbed.base import files

LIST = ".testbed-files"
_MOST_LIST_BYTES = 1 << 20


def made(folder: Path) -> frozenset[str]:
    """The names of the files in a folder that we made, by its list; none where the list is not this user's."""
    path = folder / LIST
    try:
        if not is_mine(path) or not stat.S_ISREG(path.lstat().st_mode):
            return frozenset()
        return frozenset(files.read_bytes(path, _MOST_LIST_BYTES).decode(errors="surrogateescape").split("\n")) - {""}
    except OSError:
        return frozenset()


def note(path: Path) -> None:
    """Put a file on its folder's list; a list that is a link or no file is replaced."""
    folder, name = path.parent, path.name
    if name in made(folder) or "\n" in name:
        return
    with _changing(folder):
        _write_list(folder, made(folder) | {name})


@contextlib.contextmanager
def replacing(path: Path, *, is_ours: bool = False) -> Iterator[IO[bytes]]:
    """As `files.replacing`, for a name that is free or has a file of ours; FileExistsError for anything else.

    Ours is what is on the folder's list, and what the caller knows to be (`is_ours`).
    """
    is_new = path.name not in made(path.parent)
    if is_new and not is_ours and os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, "it is there already, and testbed did not make it", str(path))
    try:
        with files.replacing(path) as file:
            yield file
            # Before it has its name: what is killed between the two leaves no file that nobody speaks for.
            note(path)
    except BaseException:
        if is_new and not os.path.lexists(path):
            with contextlib.suppress(OSError):
                remove_one(path)
        raise


def remove_one(path: Path) -> bool:
    """Remove a file that is on its folder's list, and take it off that; whether it was on it. No directory."""
    if path.name not in made(path.parent) or _is_directory(path):
        return False
    with _changing(path.parent):
        path.unlink(missing_ok=True)
        _write_list(path.parent, made(path.parent) - {path.name})
    return True


def remove_made(folder: Path) -> list[Path]:
    """Remove the files that are on the folder's list, the list, and abandoned drafts; the folder too if that was all.

    Returns what is left in it (nothing: it is gone). Never follows a link: one in the folder's place is left.
    """
    if not stat.S_ISDIR(folder.lstat().st_mode):
        return [folder]
    for name in made(folder):
        path = folder / name
        if "/" not in name and name not in ("", ".", "..") and not _is_directory(path):
            path.unlink(missing_ok=True)
    for path in sorted(folder.iterdir()):
        if path.name == LIST or files.is_abandoned_draft(path):
            path.unlink(missing_ok=True)
    left = sorted(folder.iterdir())
    if not left:
        folder.rmdir()
    return left


def remove_drafts(folder: Path, name: str | None = None) -> list[Path]:
    """Remove the drafts (of that name) that killed processes of this user left in a folder; returns them."""
    removed = []
    if _is_directory(folder):
        for path in sorted(folder.iterdir()):
            if files.is_abandoned_draft(path, name):
                path.unlink(missing_ok=True)
                removed.append(path)
    return removed


def is_mine(path: Path) -> bool:
    """Whether what has this name (a link itself, not what it points to) is there and belongs to this user."""
    try:
        return path.lstat().st_uid == os.getuid()
    except OSError:
        return False


def why_not_private(directory: Path) -> str:
    """Why what lies in a directory cannot be trusted: others may change it; empty if none may, or it is not there.

    It may be a link to a directory. Its owner may be this user, root, or who became root with sudo.
    """
    try:
        state = directory.stat()
    except FileNotFoundError:
        return "a link to nothing" if directory.is_symlink() else ""
    except OSError as error:
        return error.strerror or str(error)
    trusted = {0, os.geteuid()}
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdecimal():
        trusted.add(int(os.environ["SUDO_UID"]))
    if not stat.S_ISDIR(state.st_mode):
        return "not a directory"
    if state.st_uid not in trusted:
        return f"it belongs to another user ({_user(state.st_uid)})"
    if state.st_mode & stat.S_IWOTH:
        return "everybody may write there"
    if state.st_mode & stat.S_IWGRP and not _is_private_group(state.st_gid, state.st_uid):
        return "others may write there (its group may)"
    return ""


def open_lock(path: Path, *, create: bool = True) -> IO[bytes]:
    """A file of ours that is there to be locked, made if it is not; no link, no FIFO."""
    flags = os.O_RDWR | (os.O_CREAT if create else 0) | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, flags, 0o666)
    except PermissionError:
        if create:
            raise
        handle = os.open(path, flags & ~os.O_RDWR)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "a link, which is not followed", str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(handle, "r+b" if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_RDWR else "rb", buffering=0)


@contextlib.contextmanager
def _changing(folder: Path) -> Iterator[None]:
    """Be the only one who changes the folder's list until the block ends: what somebody notes is not lost to another.

    A network file system may not lock directories: there it may be.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write_list(folder: Path, names: frozenset[str]) -> None:
    listed = "".join(f"{each}\n" for each in sorted(names))
    files.write_bytes(folder / LIST, listed.encode(errors="surrogateescape"))


def _is_directory(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _is_private_group(gid: int, uid: int) -> bool:
    """Whether the group is root's, or the one that many systems make for each user (where the umask is 002)."""
    if gid == 0:
        return True
    try:
        return grp.getgrgid(gid).gr_name == pwd.getpwuid(uid).pw_name and not grp.getgrgid(gid).gr_mem
    except KeyError:
        return False


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
