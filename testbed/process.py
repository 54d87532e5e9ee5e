"""The one way the toolkit runs a program: an argv list, its status checked, ended by its own id.

`run` is for a program that ends by itself; `Process` for one that serves until it is stopped.
Both raise `CommandError` with the command, the status and what it said on stderr. There are
no shell strings and nothing is ever looked up, or killed, by name.
"""

from __future__ import annotations

import contextlib
import os
import signal as signals
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from testbed import holding
from testbed.errors import CommandError, GuestTimeout


@dataclass(frozen=True)
class Completed:
    """What a program left: its argv, status and output, and how long it took."""

    argv: list[str]
    status: int
    stdout: str
    stderr: str
    seconds: float


@dataclass
class CommandLog:
    """Keeps a line for every command that was run through it (part of a run's record)."""

    entries: list[dict[str, object]] = field(default_factory=list)

    def add(self, argv: Sequence[str], status: int | None, seconds: float) -> None:
        """Note one command; `status` is None for one that is still running."""
        self.entries.append({"argv": list(argv), "status": status, "seconds": round(seconds, 6)})


def run(
    argv: Sequence[str | Path],
    *,
    check: bool = True,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout_s: float | None = None,
    log: CommandLog | None = None,
) -> Completed:
    """Run a program to its end and return what it printed.

    Raises `CommandError` if it cannot be started, or (with `check`) ends with another status than 0,
    and `GuestTimeout` if it takes longer than `timeout_s` seconds.
    """
    words = [str(word) for word in argv]
    started = time.monotonic()
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=None if env is None else dict(env),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except OSError as error:
        raise CommandError(words, None, error.strerror or str(error)) from error
    except subprocess.TimeoutExpired as error:
        raise GuestTimeout(f"{' '.join(words)}: no end within {timeout_s:g} s") from error
    seconds = time.monotonic() - started
    if log is not None:
        log.add(words, done.returncode, seconds)
    if check and done.returncode != 0:
        raise CommandError(words, done.returncode, done.stderr or done.stdout)
    return Completed(words, done.returncode, done.stdout, done.stderr, seconds)


class Process:
    """A program that runs until it is stopped; a context manager that stops it for certain.

    It gets a session of its own, so that `stop` reaches its children by process group id, and a
    Ctrl-C of the terminal does not reach it behind our back.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        stdin: int = subprocess.DEVNULL,
        stdout: IO[bytes] | int = subprocess.DEVNULL,
        stderr: IO[bytes] | int = subprocess.DEVNULL,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
        log: CommandLog | None = None,
    ) -> None:
        self.argv = [str(word) for word in argv]
        try:
            self._popen = subprocess.Popen(
                self.argv,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=None if env is None else dict(env),
                cwd=cwd,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        except OSError as error:
            raise CommandError(self.argv, None, error.strerror or str(error)) from error
        if log is not None:
            log.add(self.argv, None, 0.0)

    @property
    def pid(self) -> int:
        """Process id, and the id of its process group."""
        return self._popen.pid

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._popen.poll()

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the end and return the status; raises `GuestTimeout` after `timeout_s` seconds."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise GuestTimeout(f"{' '.join(self.argv)}: no end within {timeout_s:g} s") from error

    def signal(self, number: int) -> None:
        """Send a signal to the process alone (not to its children); nothing if it has ended."""
        if self._popen.poll() is None:
            self._popen.send_signal(number)

    def stop(self, *, first: int = signals.SIGTERM, grace_s: float = 5.0) -> int:
        """End it: `first` to the group, SIGKILL after `grace_s`; safe to call twice. Returns the status."""
        if self._popen.poll() is None:
            self._signal_group(first)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(grace_s)
        self._signal_group(signals.SIGKILL)
        return self._popen.wait()

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, number)

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class Kept:
    """A program with a keeper: it ends, with all its children, when this process ends, however that is.

    `core` pins it (None: any core); the directory `remove` is gone after its end. Until then that directory is held,
    or `cwd` without one (`testbed.holding`): nobody who tidies up takes it away from under the program.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        stdout: IO[bytes],
        stderr: IO[bytes],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        core: int | None = None,
        pass_fds: Sequence[int] = (),
        remove: Path | None = None,
    ) -> None:
        place = remove or cwd
        try:
            held = [] if place is None else [holding.hold(place)]
        except OSError as error:
            raise CommandError([str(word) for word in argv], None, f"{place}: {error.strerror}") from error
        read_end, self._write_end = os.pipe()
        self._open = True
        where = [str(remove or ""), str(-1 if core is None else core), ",".join(map(str, pass_fds))]
        words = [sys.executable, "-m", "testbed.keeper", *where, *map(str, argv)]
        try:
            self._process = Process(
                words, stdin=read_end, stdout=stdout, stderr=stderr, env=env, cwd=cwd, pass_fds=[*pass_fds, *held]
            )
        except BaseException:
            os.close(self._write_end)
            raise
        finally:
            for handle in (read_end, *held):
                os.close(handle)

    def poll(self) -> int | None:
        """The exit status (128 + N after signal N), or None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the end and return the status; raises `GuestTimeout` after `timeout_s` seconds."""
        return self._process.wait(timeout_s)

    def release(self) -> None:
        """Let go of it and wait until the keeper has ended everything; safe to call twice."""
        if self._open:
            self._open = False
            os.close(self._write_end)
        try:
            self._process.wait(30)
        except GuestTimeout:
            self._process.stop()


def wait_until(ready: Callable[[], bool], what: str, *, timeout_s: float, interval_s: float = 0.01) -> None:
    """Probe `ready` until it is true; raises `GuestTimeout` naming `what` after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() >= deadline:
            raise GuestTimeout(f"{what}: not ready within {timeout_s:g} s")
        time.sleep(interval_s)
