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

from testbed.base.errors import CommandError, GuestTimeout

_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.0005, 0.05


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

    def add(self, argv: Sequence[str], status: int | None, seconds: float, stdin: str | None = None) -> None:
        """Note one command and its standard input; `status` is None for one that is still running.

        The toolkit's own Python is `python`: where it lies is no matter of the point, whose record is the same from
        any directory.
        """
        given = {} if stdin is None else {"stdin": stdin}
        words = ["python" if word == sys.executable else word for word in argv]
        self.entries.append({"argv": words, **given, "status": status, "seconds": round(seconds, 6)})


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

    With a limit of time it gets a session of its own: then all that it has started ends with it, even what still has
    its output open. Raises `CommandError` if it cannot be started, or (with `check`) ends with another status than 0,
    and `GuestTimeout` if it takes longer than `timeout_s` seconds.
    """
    words = [str(word) for word in argv]
    started = time.monotonic()
    try:
        popen = subprocess.Popen(
            words,
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=timeout_s is not None,
        )
    except OSError as error:
        raise CommandError(words, None, error.strerror or str(error)) from error
    with popen:
        try:
            out, err = popen.communicate(stdin, timeout_s)
        except BaseException as error:
            _end(popen, with_its_group=timeout_s is not None)
            if isinstance(error, subprocess.TimeoutExpired):
                raise GuestTimeout(f"{' '.join(words)}: no end within {timeout_s:g} s") from error
            raise
    seconds = time.monotonic() - started
    if log is not None:
        log.add(words, popen.returncode, seconds, stdin)
    if check and popen.returncode != 0:
        raise CommandError(words, popen.returncode, err or out)
    return Completed(words, popen.returncode, stdout=out, stderr=err, seconds=seconds)


def search_path() -> str:
    """PATH with the folders of the administrator's programs, which an ordinary user's often lacks."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def run_lines(argv: Sequence[str], lines: Sequence[str], log: CommandLog | None = None) -> None:
    """Have one `ip` or `tc` (`argv`) do all of these lines; raises as `run`."""
    run([*argv, "-batch", "-"], stdin="".join(f"{line}\n" for line in lines), log=log)


def _end(popen: subprocess.Popen[str], *, with_its_group: bool) -> None:
    """Kill it, which has not been waited for: so its id, and its group's, is its own still."""
    if popen.returncode is not None:
        return
    if with_its_group:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signals.SIGKILL)
    popen.kill()


class Process:
    """A program that runs until it is stopped; a context manager that stops it for certain.

    It gets a session of its own, so that `stop` reaches its children by process group id, and a
    Ctrl-C of the terminal does not reach it behind our back. When it has ended, its process id is kept from others
    until `stop`: only so is it certain whose the group is that is signalled. Not so without `keeps_id`, for a lab's
    own programs: no stranger has ids among theirs, and in virtual time each way of waiting gives other bytes.
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
        keeps_id: bool = True,
    ) -> None:
        self._keeps_id = keeps_id
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
        return self._ended(os.WNOHANG)

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the end and return the status; raises `GuestTimeout` after `timeout_s` seconds."""
        if not self._keeps_id:
            try:
                return self._popen.wait(timeout_s)
            except subprocess.TimeoutExpired as error:
                raise GuestTimeout(f"{' '.join(self.argv)}: no end within {timeout_s:g} s") from error
        if timeout_s is None:
            status = self._ended(0)
            assert status is not None
            return status
        deadline, delay_s = time.monotonic() + timeout_s, _FIRST_DELAY_S
        while (status := self._ended(os.WNOHANG)) is None:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise GuestTimeout(f"{' '.join(self.argv)}: no end within {timeout_s:g} s")
            delay_s = min(delay_s * 2, left_s, _LONGEST_DELAY_S)
            time.sleep(delay_s)
        return status

    def must_run(self, said: Path) -> None:
        """Raise `CommandError` with what it `said`, to that file, if it has ended."""
        if (status := self.poll()) is not None:
            raise CommandError(self.argv, status, said.read_text(errors="replace"))

    def wait_until(self, ready: Callable[[], bool], what: str, *, said: Path, timeout_s: float) -> None:
        """As the function of that name; raises as `must_run` if it ends before."""
        wait_until(lambda: ready() or self.poll() is not None, what, timeout_s=timeout_s)
        self.must_run(said)

    def signal(self, number: int) -> None:
        """Send a signal to the process alone (not to its children); nothing if it has ended."""
        if self._ended(os.WNOHANG) is not None:
            return
        if self._keeps_id:
            os.kill(self.pid, number)
        else:
            self._popen.send_signal(number)

    def kill(self) -> None:
        """End it and all of its group at once, and wait for it."""
        self.stop(first=signals.SIGKILL)

    def stop(self, *, first: int = signals.SIGTERM, grace_s: float = 5.0) -> int:
        """End it: `first` to the group, SIGKILL after `grace_s`; safe to call twice. Returns the status."""
        is_released = self._keeps_id and self._popen.returncode is not None
        if not is_released:
            if self._ended(os.WNOHANG) is None:
                self._signal_group(first)
                with contextlib.suppress(GuestTimeout):
                    self.wait(grace_s)
            self._signal_group(signals.SIGKILL)
        return self._popen.wait()

    def _ended(self, options: int) -> int | None:
        """The status of a process that has ended, which stays a zombie; None for one that runs."""
        if not self._keeps_id:
            return self._popen.poll()
        if self._popen.returncode is not None:
            return self._popen.returncode
        try:
            found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | options)
        except ChildProcessError:  # somebody else has waited for it
            return self._popen.wait()
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def wait_until(ready: Callable[[], bool], what: str, *, timeout_s: float, interval_s: float = 0.01) -> None:
    """Probe `ready` until it is true; raises `GuestTimeout` naming `what` after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() >= deadline:
            raise GuestTimeout(f"{what}: not ready within {timeout_s:g} s")
        time.sleep(interval_s)
