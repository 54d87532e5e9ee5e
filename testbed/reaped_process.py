"""A program that ends, with all that it has started, when the toolkit does, and can be held for a while."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from testbed import directory_lock
from testbed.base.errors import CommandError, GuestTimeout
from testbed.process import Process
from testbed.subreaper import GO_ON, HOLD


class ReapedProcess:
    """A program under a subreaper: it ends, with all its children, when this process ends, however that is.

    `core` pins it (None: any core); the directory `remove` is gone after its end. Until then that directory is held,
    or `cwd` without one (`testbed.directory_lock`): nobody who tidies up takes it away from under the program.
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
            held = [] if place is None else [directory_lock.hold(place)]
        except OSError as error:
            raise CommandError([str(word) for word in argv], None, f"{place}: {error.strerror}") from error
        read_end, self._write_end = os.pipe()
        # Whoever holds guests is another thread than the one that has this one: the end must not be closed between.
        self._lock = threading.Lock()
        self._open = True
        where = [str(remove or ""), str(-1 if core is None else core), ",".join(map(str, pass_fds))]
        words = [sys.executable, "-P", "-m", "testbed.subreaper", *where, *map(str, argv)]
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
        self._process.wait(timeout_s)
        return self._process.stop()

    def hold(self) -> None:
        """Stop the program and its copies (`testbed.holding`) until `go_on`; nothing if it has ended."""
        self._tell(HOLD)

    def go_on(self) -> None:
        """Let it go on."""
        self._tell(GO_ON)

    def _tell(self, word: bytes) -> None:
        with self._lock, contextlib.suppress(BrokenPipeError):
            if self._open:
                os.write(self._write_end, word)

    def release(self) -> None:
        """Let go of it and wait until the subreaper has ended everything; safe to call twice."""
        with self._lock:
            if self._open:
                self._open = False
                os.close(self._write_end)
        with contextlib.suppress(GuestTimeout):
            self._process.wait(30)
        self._process.stop()
