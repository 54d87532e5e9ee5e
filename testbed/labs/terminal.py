"""The user's terminal, lent to a guest through a pseudo-terminal.

The guest never holds the user's own terminal: it would leave it in raw, non-blocking mode if it
were killed. It gets a pseudo-terminal, and the bytes are relayed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from testbed import signals
from testbed.signals import handled


class Terminal:
    """The controlling terminal of this process (standard input and output)."""

    def __init__(self) -> None:
        self._master = -1
        self._size = (0, 0)
        self._typed = bytearray()

    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
        return rows, columns

    @contextlib.contextmanager
    def raw(self) -> Iterator[None]:
        """Until the block ends, every key goes on as it is, Ctrl-C too: the other side knows what it means."""
        stdin = sys.stdin.fileno()
        saved = termios.tcgetattr(stdin)
        try:
            tty.setraw(stdin)
            yield
        finally:
            # A terminal that was closed needs nothing any more.
            with contextlib.suppress(termios.error):
                termios.tcsetattr(stdin, termios.TCSADRAIN, saved)

    @contextlib.contextmanager
    def attach(self, discipline: Literal["raw", "cooked"]) -> Iterator[int]:
        """The user's terminal in raw mode, and the job's end of a pseudo-terminal.

        `discipline`: who makes signals of keys and lines of what is typed: the job's end itself ("cooked"), whose
        size then follows the user's, or another terminal behind it ("raw"), as in a guest of its own.
        """
        saved = termios.tcgetattr(sys.stdin.fileno())
        self._master, line = os.openpty()
        os.set_blocking(self._master, False)
        self._typed.clear()
        try:
            if discipline == "raw":
                tty.setraw(line)
            else:
                termios.tcsetattr(line, termios.TCSANOW, saved)
            self._follow_size()
            with self.raw():
                yield line
                self._drain()
        finally:
            os.close(line)
            os.close(self._master)

    def _follow_size(self) -> None:
        if (size := self.size()) != self._size:
            self._size = size
            termios.tcsetwinsize(self._master, size)  # the kernel tells who runs in the foreground

    def _drain(self) -> None:
        while select.select([self._master], [], [], 0)[0]:
            os.write(sys.stdout.fileno(), os.read(self._master, 65536))

    def relay(self, seconds: float) -> None:
        """Pass bytes both ways for about this long."""
        self.exchange(self._master, partial(os.read, self._master), self._typed.extend, seconds)
        self._hand_on_typed()
        self._follow_size()

    def _hand_on_typed(self) -> None:
        """Give the job's end as much as it takes: who does not read may be waiting until what it prints is read."""
        if self._typed:
            with contextlib.suppress(BlockingIOError):
                del self._typed[: os.write(self._master, self._typed)]

    def exchange(
        self, other: int, receive: Callable[[int], bytes], send: Callable[[bytes], object], seconds: float
    ) -> None:
        """Pass what is typed to `send`, and what `receive` has once the file `other` is readable to the screen."""
        stdin = sys.stdin.fileno()
        ready, _, _ = select.select([stdin, other], [], [], seconds)
        if other in ready:
            os.write(sys.stdout.fileno(), receive(65536))
        if stdin in ready:
            send(os.read(stdin, 4096))


@contextlib.contextmanager
def ending_in_order() -> Iterator[None]:
    """Inside, a terminal that is closed, and SIGTERM, end this process as an exception: what it has made is removed."""

    came: list[int] = []

    def end(number: int) -> None:
        signals.obeyed(number)
        came.append(number)
        if len(came) == 1:  # what tidies up is not interrupted
            raise SystemExit(128 + number)

    with handled((signal.SIGHUP, signal.SIGTERM), end):
        yield
