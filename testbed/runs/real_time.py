"""Whose turn it is among the tasks in real time of a machine.

One is set up while the one before it, whose measurement is over, clears away; while one is measured, none of the others
is there. Most of a short point in real time is its set-up and what comes after its workload, and both mostly wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager


class Turns:
    """The turns of the tasks of one machine; shared between the threads that run them, two at least."""

    def __init__(self) -> None:
        self._set_up = threading.Lock()
        self._measured = threading.Lock()

    @contextmanager
    def next(self) -> Iterator[Turn]:
        """The next turn, which ends with the block: waits until the one before has been measured, or has ended."""
        self._set_up.acquire()
        turn = Turn(self._set_up, self._measured)
        try:
            yield turn
        finally:
            turn.end()


class Turn:
    """What one task has of the two: it is set up alone, and from its measurement to its end nobody else is measured.

    If it is measured once more before it ends, the next one may be in its set-up, and is not held.
    """

    def __init__(self, set_up: threading.Lock, measured: threading.Lock) -> None:
        self._set_up: threading.Lock | None = set_up
        self._measured = measured
        self._is_measured = False

    def phase(self, is_measured: bool, *, pausing: Callable[[], AbstractContextManager[None]]) -> None:
        """The task says that it is in another phase; before one that is measured, it waits for the end of others.

        While it waits it is held: by `pausing`, until the block ends.
        """
        if is_measured:
            self._measure(pausing)
        elif self._is_measured:
            self._let_next_begin()

    def end(self) -> None:
        """The task has ended; safe to call twice."""
        self._let_next_begin()
        if self._is_measured:
            self._is_measured = False
            self._measured.release()

    def _measure(self, pausing: Callable[[], AbstractContextManager[None]]) -> None:
        if self._is_measured:
            return
        if not self._measured.acquire(blocking=False):
            with pausing():
                self._measured.acquire()
        self._is_measured = True

    def _let_next_begin(self) -> None:
        if self._set_up is not None:
            self._set_up.release()
            self._set_up = None
