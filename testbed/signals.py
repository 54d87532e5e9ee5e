"""Signal handlers for the length of a block."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What asks a process to end: Ctrl-C, `kill`, and a terminal or a connection that is closed."""

_REASONS = {signal.SIGTERM: "interrupted by SIGTERM", signal.SIGHUP: "interrupted: the terminal was closed (SIGHUP)"}


class Interrupted(BaseException):
    """One of the signals `ENDING` has come; its text says which. Nobody takes it for an error, as KeyboardInterrupt."""


@contextmanager
def handled(numbers: tuple[signal.Signals, ...], handle: Callable[[int], None]) -> Iterator[None]:
    """Until the block ends, these signals call `handle` with their number; what they did before comes back then.

    A SIGHUP that this process was started to ignore stays ignored: that is what `nohup` is for. In another thread
    than the main one nothing changes: signals never reach it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {}
    try:
        for number in numbers:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, lambda number, _frame: handle(number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def reason(number: int) -> str:
    """What to tell somebody whose work a signal has ended."""
    return _REASONS.get(signal.Signals(number), "interrupted")


@contextmanager
def raised() -> Iterator[None]:
    """Until the block ends, the first of the signals `ENDING` raises `Interrupted`; those after it are too late."""
    came: list[int] = []

    def once(number: int) -> None:
        came.append(number)
        if len(came) == 1:
            raise Interrupted(reason(number))

    with handled(ENDING, once):
        yield
