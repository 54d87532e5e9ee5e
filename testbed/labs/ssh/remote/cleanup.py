"""What is nobody's any more on the other machine, and its removal: jobs, half-sent files, environments, locks.

It uses the standard library alone: it is sent before anything of ours is there (`testbed.labs.ssh.remote.bootstrap`).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import stat
import tempfile
import time
from pathlib import Path

from testbed.labs.ssh.remote import environment, layout

_END_S = 40.0


def sweep(dead: list[str], toolkits: bool) -> list[str]:
    """End and remove what the dead owners left, jobs that nobody has asked for in time, and half-made environments.

    With `toolkits`, the finished environments that nobody uses too. Returns what was removed. Others may be at it, too.
    """
    root = layout.cache_root()
    removed = []
    for job in sorted((root / layout.JOBS).glob("*-*")):
        if job.name.rpartition("-")[0] in dead or _is_abandoned(job):
            end_job(job)
            removed.append(job)
    for sent in sorted((root / layout.INCOMING).glob("*")):
        if sent.name in dead or _age_s(sent) > 86400:
            shutil.rmtree(sent, ignore_errors=True)
            removed.append(sent)
    for folder in sorted((root / layout.TOOLKITS).glob("[!.]*")):
        with contextlib.suppress(FileNotFoundError):
            if (toolkits or not (folder / layout.READY).exists()) and environment.remove(folder):
                removed.append(folder)
    for lock in (root / layout.TOOLKITS).glob(".lock-*"):
        if not (root / layout.TOOLKITS / lock.name.removeprefix(".lock-")).exists():
            with contextlib.suppress(FileNotFoundError), layout.locked(lock, wait=False) as mine:
                if mine:
                    lock.unlink(missing_ok=True)
    for empty in (layout.TOOLKITS, layout.INCOMING, layout.JOBS, layout.FOLDER):
        with contextlib.suppress(OSError):
            (root / empty).rmdir()
    return [str(path) for path in [*removed, *_remove_core_locks()]]


def _remove_core_locks() -> list[Path]:
    """Remove the locks of cores that nobody has, and their directory if that was all (as `testbed.labs.cores`)."""
    directory = Path(tempfile.gettempdir()) / f"mptcp-testbed-cores-{os.getuid()}"
    try:
        state = directory.lstat()
    except OSError:
        return []
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o022:
        return []
    for path in directory.glob("core-*"):
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(handle)
    try:
        directory.rmdir()
    except OSError:
        return []
    return [directory]


def _is_abandoned(job: Path) -> bool:
    """Whether nothing runs, and nobody has asked for the job for as long as its lease."""
    try:
        lease_s = float(json.loads((job / layout.REQUEST).read_text())["lease_s"])
        unheard_s = time.time() - (job / layout.LEASE).stat().st_mtime
    except (OSError, ValueError, KeyError):
        lease_s, unheard_s = 86400.0, _age_s(job)
    if unheard_s <= lease_s:
        return False
    with contextlib.suppress(FileNotFoundError), layout.locked(job / layout.LOCK, wait=False) as mine:
        return mine
    return False


def _age_s(path: Path) -> float:
    """Seconds since it was changed; 0 for what is not there any more."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def end_job(job: Path) -> None:
    """End a job's run if there is one, and remove its folder."""
    with contextlib.suppress(OSError):
        (job / layout.CANCEL).touch()
    deadline = time.monotonic() + _END_S
    while job.is_dir():
        with contextlib.suppress(FileNotFoundError), layout.locked(job / layout.LOCK, wait=False) as mine:
            if mine:
                shutil.rmtree(job, ignore_errors=True)
                return
        if time.monotonic() > deadline:
            # The lock is held, so its holder is alive and the number is its.
            with contextlib.suppress(OSError, ValueError):
                os.kill(int((job / layout.LOCK).read_text()), signal.SIGKILL)
        time.sleep(0.05)
