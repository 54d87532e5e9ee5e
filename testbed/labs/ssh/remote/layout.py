"""Where the toolkit's things lie on the other machine, who may use them, and what is refused there.

    <cache>/ssh/toolkits/<sha256>/    the environment of a toolkit; whole once ready.json is in it
    <cache>/ssh/incoming/<owner>/     what is being sent
    <cache>/ssh/jobs/<owner>-<n>/     a job (`testbed.labs.ssh.remote.job`)

<cache> is the toolkit's own there (`testbed.kernel.cache`). An owner is one use of the lab by one process over here.
It uses the standard library alone: it is sent before anything of ours is there (`testbed.labs.ssh.remote.bootstrap`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

FOLDER = "ssh"
TOOLKITS, INCOMING, JOBS = f"{FOLDER}/toolkits", f"{FOLDER}/incoming", f"{FOLDER}/jobs"
READY = "ready.json"
LOCK, CANCEL, LEASE, REQUEST, OUTPUT, STDIN, END = "lock", "cancel", "lease", "request.json", "out", "stdin", "end.json"
PYTHON = "{python}"
"""Stands for the interpreter's path in a job's argv: it is another one on each machine."""

BUNDLED = "/usr/local/lib/mptcp-lb-testbed/packages"
"""Where a machine that was made for us has the Python packages that the toolkit needs, and pip."""

BUILDERS, PACKAGES = "builders.txt", "packages.txt"
"""The requirement files that are sent with a toolkit: what builds packages, and what the toolkit needs."""


class Refusal(Exception):
    """Something in one line, with a cure; `kind` is the name of the error that it becomes over there."""

    def __init__(self, message: str, hint: str = "", kind: str = "PrerequisiteError") -> None:
        super().__init__(message)
        self.answer = {"kind": kind, "message": message, "hint": hint}


def cache_root() -> Path:
    """The toolkit's cache on this machine, as `testbed.kernel.cache` finds it."""
    if named := os.environ.get("TESTBED_CACHE"):
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "mptcp-lb-testbed"


def prepare(owner: str) -> str:
    """Make our folders; returns the one for what this owner sends."""
    root = cache_root()
    _require_own(root)
    try:
        for name in (TOOLKITS, JOBS, f"{INCOMING}/{owner}"):
            (root / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Refusal(f"{error.filename}: {error.strerror}", "make room there, or set TESTBED_CACHE there") from error
    return str(root / INCOMING / owner)


def _require_own(root: Path) -> None:
    """Refuse a cache in which others can change the programs that we start (as `testbed.kernel.cache`)."""
    try:
        state = root.stat()
    except OSError:
        return
    if state.st_uid not in (0, os.geteuid()) or state.st_mode & stat.S_IWOTH:
        raise Refusal(
            f"the cache {root} cannot be trusted: it belongs to another user, or everybody may write there",
            "set TESTBED_CACHE there to a directory that only you can write to",
        )


def require_space(needed_bytes: int, what: str, folder: str = FOLDER) -> int:
    """Free bytes in a folder of the cache; refuses if there are not that many."""
    place = cache_root() / folder
    free = shutil.disk_usage(place).free
    if free < needed_bytes:
        raise Refusal(
            f"{place} has {free / 1e6:.0f} MB free, {what} needs {needed_bytes / 1e6:.0f} MB",
            "make room there, or set TESTBED_CACHE there to a directory elsewhere",
        )
    return free


def in_use(toolkit: Path) -> int:
    """A file descriptor that keeps others from removing an environment as long as it is open."""
    handle = os.open(toolkit.with_name(f".lock-{toolkit.name}"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


@contextlib.contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[bool]:
    """The lock is ours until the block ends; False if somebody has it and we do not wait."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
