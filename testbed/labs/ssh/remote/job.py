"""Runs one job on the other machine, whether or not anybody is connected: `python -m testbed.labs.ssh.remote.job DIR`.

    <DIR>/request.json   the job, the lab, the kernel, the lease
    <DIR>/out/           the job's output directory; `stdin` beside it, if it has one
    <DIR>/stdout, stderr what it has printed
    <DIR>/lock           held, with the process id in it, as long as this runs
    <DIR>/lease          touched by whoever asks for the job
    <DIR>/cancel         is there once the job is to end
    <DIR>/end.json       how it ended: {"result": {...}} or {"error": {...}}

The job ends by itself when nobody has touched the lease in time: then the other side is gone for good.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import math
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from testbed.base.errors import GuestTimeout, LabError, RunInterrupted
from testbed.base.locks import try_lock
from testbed.kernel.cache import Cache
from testbed.labs import catalog
from testbed.labs.base import Cancel, Lab, Sink
from testbed.labs.catalog import LabOptions, LabSpec
from testbed.labs.ssh.remote import layout, protocol
from testbed.labs.ssh.remote.described_job import job_of
from testbed.process import wait_until

_RESERVE = ".reserve"
_RESERVE_BYTES = 65536
_WATCH_S = 0.1
_LOCK_S = 1.0
_FULL_BYTES = 1_000_000


def open_lab_for(kind: str, kernel_id: str, core_wait_s: float = math.inf) -> contextlib.AbstractContextManager[Lab]:
    """The lab of this machine that a job asks for; raises `LabError` without the kernel."""
    kernel = Cache(layout.cache_root()).load(kernel_id) if kernel_id else None
    if kernel_id and kernel is None:
        raise LabError(f"the lab kernel {kernel_id} is gone", hint="run the command again: it is sent again")
    return catalog.open_lab(LabSpec(kind), LabOptions(core_wait_s=core_wait_s, kernel=kernel))


class Lease:
    """Whether somebody still asks for the job, by this process's clock: the machine's may be set."""

    def __init__(self, path: Path, lease_s: float) -> None:
        self._path = path
        self._lease_s = lease_s
        self._seen = 0
        self._since = 0.0

    def is_over(self, now_s: float) -> bool:
        """Whether the file was not touched for the length of the lease, or is gone."""
        try:
            touched = self._path.stat().st_mtime_ns
        except OSError:
            return True
        if touched != self._seen:
            self._seen, self._since = touched, now_s
        return now_s - self._since > self._lease_s


class Watch:
    """Sets the job's flag when it is cancelled, when nobody asks for it any more, or when its output has no room."""

    def __init__(self, folder: Path, lease_s: float) -> None:
        self.flag = Cancel()
        self.reason: LabError | RunInterrupted | None = None
        self._folder = folder
        self._lease = Lease(folder / layout.LEASE, lease_s)
        self._lease_s = lease_s

    def look(self) -> None:
        """Look once."""
        if (self._folder / layout.CANCEL).exists():
            self.stop(RunInterrupted("interrupted"))
        elif self._lease.is_over(time.monotonic()):
            self.stop(LabError(f"ended, because nobody had asked for it for {self._lease_s:g} s"))

    def stop(self, reason: LabError | RunInterrupted) -> None:
        """End the job; the first reason counts."""
        self.reason = self.reason or reason
        self.flag.set()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Look again and again until the block ends."""
        done = threading.Event()

        def keep_looking() -> None:
            while not done.wait(_WATCH_S):
                self.look()

        thread = threading.Thread(target=keep_looking, name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def file(self, name: str) -> Sink:
        """A sink that writes into a file of the job's folder, and ends the job when it cannot."""
        append = appending(self._folder / name)

        def write(data: bytes) -> None:
            try:
                append(data)
            except OSError as error:
                self.stop(LabError(f"what the job prints cannot be kept: {error.strerror}", hint="make room there"))

        return write


def appending(path: Path) -> Sink:
    """A sink that writes to the end of a file, which is open as long as somebody has the sink; it raises OSError."""
    file = open(path, "ab", buffering=0, opener=lambda name, flags: os.open(name, flags, 0o600))  # noqa: SIM115

    def write(data: bytes) -> None:
        while data:
            data = data[file.write(data) :]

    return write


def run(folder: Path, request: dict[str, Any], watch: Watch) -> dict[str, Any]:
    """Run the job of a request and say how it ended."""
    try:
        (folder / layout.OUTPUT).mkdir(exist_ok=True)
        out, err = watch.file("stdout"), watch.file("stderr")
        core_wait_s = math.inf if request["core_wait_s"] is None else float(request["core_wait_s"])
        with watch.watching(), open_lab_for(request["lab"], request["kernel"], core_wait_s) as lab:
            done = lab.run(job_of(folder, request), stdout=out, stderr=err, cancel=watch.flag)
        if watch.reason and not isinstance(watch.reason, RunInterrupted):
            raise watch.reason
        return {"result": dataclasses.asdict(done)}
    except RunInterrupted:
        return {"error": protocol.error_to_json(watch.reason or RunInterrupted("interrupted"))}
    except Exception as error:  # whoever waits must learn why
        return {"error": protocol.error_to_json(full_disk_error(folder, error))}


def full_disk_error(folder: Path, error: Exception) -> Exception:
    """The error, or that the disk is full: a lab whose output directory is full cannot say so."""
    if shutil.disk_usage(folder).free >= _FULL_BYTES or "No space left" in str(error):
        return error
    return LabError(f"{folder}: {os.strerror(errno.ENOSPC)}: {error}", hint="make room there")


def take_lock(folder: Path) -> IO[str] | None:
    """The job's lock, ours until it is closed, with our process id in it; None if there is nothing to run."""
    try:
        lock = (folder / layout.LOCK).open("a")
        # Others hold it for a moment to see whether we do.
        wait_until(lambda: try_lock(lock), "the job's lock", timeout_s=_LOCK_S)
    except (FileNotFoundError, GuestTimeout):
        return None
    if (folder / layout.END).exists() or not (folder / layout.REQUEST).exists():
        return None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


@contextlib.contextmanager
def reserve(folder: Path) -> Iterator[None]:
    """Hold some room until the block ends: a full disk must not keep us from saying so."""
    file = folder / _RESERVE
    file.write_bytes(bytes(_RESERVE_BYTES))
    yield
    file.unlink()


def write_end(folder: Path, end: dict[str, Any]) -> None:
    """Say how the job ended."""
    draft = folder / f".{layout.END}"
    draft.write_text(json.dumps(end))
    draft.replace(folder / layout.END)


def main(folder: Path) -> None:
    """Run the job in the folder, once."""
    lock = take_lock(folder)
    if lock is None:
        return
    with reserve(folder):
        request = json.loads((folder / layout.REQUEST).read_text())
        watch = Watch(folder, float(request["lease_s"]))
        handle = layout.in_use(Path(request["toolkit"]))
        end = run(folder, request, watch)
        os.close(handle)
    write_end(folder, end)
    lock.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
