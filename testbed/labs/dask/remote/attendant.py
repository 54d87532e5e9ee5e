"""The processes that see to a worker's requests, one at a time each, and stay a while for the next one.

A process begins with `testbed.labs.dask.remote.enter` and goes on as `testbed.labs.dask.remote.work`. To start one and
to import the toolkit takes a third of the processor time of a small point's guest, so it is done once. Each ends when
its standard input does: the worker is gone, nobody wants what it does, or nobody has had anything for it for a while.

This travels to the worker as it stands (see `testbed.labs.dask.remote.task`).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from testbed.labs.dask.remote.folder import PROGRAM
from testbed.labs.ssh.remote.layout import END


class Attendant:
    """A process of a worker with the toolkit of this SHA-256; it begins with the request in `folder`."""

    def __init__(self, toolkit: str, folder: Path, log_directory: str) -> None:
        variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        self.toolkit = toolkit
        self.leaves: threading.Timer | None = None
        self._folder = folder
        self._log = tempfile.TemporaryFile(dir=log_directory)  # noqa: SIM115
        self._log_from = 0
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(folder / PROGRAM), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd="/",
            env=variables,
            start_new_session=True,
        )

    def begin(self, folder: Path) -> bool:
        """Give it the request in another folder; False if it has ended meanwhile."""
        self._folder, self._log_from = folder, os.fstat(self._log.fileno()).st_size
        with contextlib.suppress(OSError):
            if self._process.stdin is not None and self._process.poll() is None:
                self._process.stdin.write(f"{json.dumps(str(folder))}\n".encode())
                self._process.stdin.flush()
                return True
        return False

    @property
    def has_answered(self) -> bool:
        """Whether it is done with its request, in one way or another."""
        return self._process.poll() is not None or (self._folder / END).exists()

    def wait(self, timeout_s: float) -> None:
        """Wait until it has something to say, which is that it has answered, or has ended."""
        pipe = self._process.stdout
        if pipe is not None and select.select([pipe], [], [], timeout_s)[0] and not os.read(pipe.fileno(), 4096):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)

    def complaint(self) -> str:
        """The last line that it has written to its standard error during this request."""
        text = os.pread(self._log.fileno(), 1_000_000, self._log_from).decode(errors="replace")
        return (text.strip().splitlines() or [""])[-1].strip()

    def dismiss(self) -> None:
        """It may end, and what it has under way: returns at once."""
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()

    def kill(self) -> None:
        """End it, and whatever of it is in its session."""
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def is_gone(self, timeout_s: float) -> bool:
        """Whether it has ended in time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        return self._process.poll() is not None


def attendant_for(worker: Any, toolkit: str, folder: Path) -> Attendant:
    """One that has nothing to do, or a new one; it has begun with the request in the folder."""
    idle = _idle(worker)
    for each in list(idle):
        if each.toolkit == toolkit and _take(idle, each) and each.begin(folder):
            return each
    return Attendant(toolkit, folder, worker.local_directory)


def release(worker: Any, attendant: Attendant) -> None:
    """It has answered: let it stay for the next request."""
    stay_s = 10.0
    if attendant.is_gone(0):
        return
    idle = _idle(worker)
    attendant.leaves = threading.Timer(stay_s, _leave, (idle, attendant))
    attendant.leaves.daemon = True
    attendant.leaves.start()
    idle.append(attendant)


def dismiss_idle(worker: Any) -> None:
    """End those that have nothing to do; returns when they have ended."""
    idle = _idle(worker)
    _see_off([each for each in list(idle) if _take(idle, each)])


def _leave(idle: list[Attendant], attendant: Attendant) -> None:
    if _take(idle, attendant):
        _see_off([attendant])


def _see_off(some: list[Attendant]) -> None:
    for each in some:
        each.dismiss()
    for each in some:
        if not each.is_gone(5.0):
            each.kill()
            each.is_gone(5.0)


def _idle(worker: Any) -> list[Attendant]:
    """The worker's attendants that have nothing to do, whoever had something for them before."""
    found: list[Attendant] = vars(worker).setdefault("testbed_attendants", [])
    return found


def _take(idle: list[Attendant], attendant: Attendant) -> bool:
    """Take it from them; False if another thread has done so."""
    try:
        idle.remove(attendant)
    except ValueError:
        return False
    if attendant.leaves is not None:
        attendant.leaves.cancel()
    return True
