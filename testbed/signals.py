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


_asked: list[list[int]] = []
"""What has come in each of the blocks of `raised`, of which there is one at most in a command."""


@contextmanager
def handled(
    numbers: tuple[signal.Signals, ...], handle: Callable[[int], None], after: Callable[[], bool] = lambda: True
) -> Iterator[None]:
    """Until the block ends, these signals call `handle` with their number; what they did before comes back then.

    Where `after` says no, it does not, and they are ignored from then on. A SIGHUP that this process was started to
    ignore stays ignored: that is what `nohup` is for. In another thread than the main one nothing changes: signals
    never reach it.
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
            signal.signal(number, handler if after() else signal.SIG_IGN)


def reason(number: int) -> str:
    """What to tell somebody whose work a signal has ended."""
    return _REASONS.get(signal.Signals(number), "interrupted")


@contextmanager
def raised() -> Iterator[None]:
    """Until the block ends, the first of the signals `ENDING` raises `Interrupted`; those after it are too late.

    They are to the end of the process: what tidies up is not interrupted, and the reason is said once.
    """
    came: list[int] = []

    def once(number: int) -> None:
        came.append(number)
        if len(came) == 1:
            raise Interrupted(reason(number))

    _asked.append(came)
    try:
        with handled(ENDING, once, after=lambda: not came):
            yield
    finally:
        _asked.remove(came)


def obeyed(number: int) -> None:
    """One of the signals `ENDING` has come and ends what goes on: for `raised` those after it are too late."""
    for came in _asked:
        came.append(number)
