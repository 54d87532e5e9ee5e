"""The user's terminal, lent to a guest through a pseudo-terminal.

The guest never holds the user's own terminal: it would leave it in raw, non-blocking mode if it
were killed. It gets a pseudo-terminal, and the bytes are relayed.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import tty
from collections.abc import Iterator


class Terminal:
    """The controlling terminal of this process (standard input and output)."""

    def __init__(self) -> None:
        self._master = -1

    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
        return rows, columns

    @contextlib.contextmanager
    def attach(self) -> Iterator[int]:
        """Put the user's terminal in raw mode and give the guest's end of a pseudo-terminal."""
        saved = termios.tcgetattr(sys.stdin.fileno())
        self._master, line = os.openpty()
        try:
            tty.setraw(line)
            tty.setraw(sys.stdin.fileno())
            yield line
        finally:
            self._drain()
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, saved)
            os.close(line)
            os.close(self._master)

    def _drain(self) -> None:
        while select.select([self._master], [], [], 0)[0]:
            os.write(sys.stdout.fileno(), os.read(self._master, 65536))

    def relay(self, seconds: float) -> None:
        """Pass bytes both ways for about this long."""
        stdin = sys.stdin.fileno()
        ready, _, _ = select.select([stdin, self._master], [], [], seconds)
        if self._master in ready:
            os.write(sys.stdout.fileno(), os.read(self._master, 65536))
        if stdin in ready:
            os.write(self._master, os.read(stdin, 4096))
