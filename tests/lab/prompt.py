"""Somebody at a terminal: drives `testbed shell` through a pseudo-terminal, key by key."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

import pexpect

PROMPT = b"mininet> "


class Prompt:
    """Mininet's prompt in a lab; `wait_s` bounds every answer."""

    def __init__(
        self, lab: str, *, cwd: Path, environment: dict[str, str], program: tuple[str, ...] = (), wait_s: float = 90
    ) -> None:
        self._wait_s = wait_s
        command, *arguments = program or (sys.executable, "-m", "experiments")
        self.child: pexpect.spawn[bytes] = pexpect.spawn(
            command,
            [*arguments, "shell", "anycast", "--lab", lab],
            cwd=str(cwd),
            env=environment,
            timeout=wait_s,
            dimensions=(30, 100),
        )
        self.child.expect_exact(PROMPT)

    def say(self, line: str) -> list[str]:
        """Type a line; the lines that come before the next prompt, without what was typed."""
        self.child.sendline(line)
        return self.answer()[1:]

    def answer(self) -> list[str]:
        """The lines up to the next prompt."""
        self.child.expect_exact(PROMPT)
        assert self.child.before is not None
        return [line.strip() for line in self.child.before.decode().splitlines() if line.strip()]

    def type(self, text: str) -> None:
        """Type what has no answer."""
        self.child.send(text.encode())
        self.child.expect_exact(text.rstrip().encode())
        time.sleep(0.5)  # a command begins

    def interrupt(self) -> list[str]:
        """Press Ctrl-C; what comes then."""
        self.child.sendcontrol("c")
        return self.answer()

    def resize(self, rows: int, columns: int) -> None:
        """Another size; the prompt's line may be drawn again, once or not at all."""
        self.child.setwinsize(rows, columns)
        time.sleep(0.5)
        with contextlib.suppress(pexpect.TIMEOUT):
            self.child.read_nonblocking(4096, timeout=0.1)

    def leave(self) -> int | None:
        """Type exit; the status of the command line."""
        self.child.sendline("exit")
        self.child.expect_exact(pexpect.EOF)
        self.child.close()
        status: int | None = self.child.exitstatus
        return status

    def hang_up(self) -> None:
        """Close the terminal, as a window does, and wait for the command line's end.

        `close` of pexpect gives it some tenths of a second, which a busy machine does not have.
        """
        process = self.child.ptyproc
        process.fileobj.close()
        process.closed = self.child.closed = True
        deadline = time.monotonic() + self._wait_s
        while process.isalive():
            assert time.monotonic() < deadline, "the command line lives on without its terminal"
            time.sleep(0.05)
