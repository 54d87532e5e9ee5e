"""Guests in virtual time, which can be held: while they are, their clock stands still, and nothing in them notices.

So a job in real time can be measured as if it were alone on the machine, while others are under way; and until then it
can have the core of one of them for itself.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from testbed.reaped_process import ReapedProcess


class HeldGuests:
    """The guests of a lab that run in virtual time, each on its core; shared between the threads of its jobs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._guests: dict[ReapedProcess, int] = {}
        self._holders: Counter[int | None] = Counter()  # of the guests of a core; None: of all

    @contextmanager
    def running(self, guest: ReapedProcess, core: int) -> Iterator[None]:
        """The guest runs until the block ends, and is held whenever the others are."""
        with self._lock:
            self._guests[guest] = core
            if self._is_held(core):
                guest.hold()
        try:
            yield
        finally:
            with self._lock:
                del self._guests[guest]

    @contextmanager
    def holding(self, core: int | None = None) -> Iterator[None]:
        """Hold those of a core (None: all), those that start meanwhile too, until the block ends."""
        with self._lock:
            free = self._free()
            self._holders[core] += 1
            for guest in free - self._free():
                guest.hold()
        try:
            yield
        finally:
            with self._lock:
                free = self._free()
                self._holders[core] -= 1
                for guest in self._free() - free:
                    guest.go_on()

    def _free(self) -> set[ReapedProcess]:
        return {guest for guest, core in self._guests.items() if not self._is_held(core)}

    def _is_held(self, core: int) -> bool:
        return bool(self._holders[core] or self._holders[None])
