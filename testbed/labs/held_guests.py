"""Guests in virtual time, which can be held: while they are, their clock stands still, and nothing in them notices.

So a job in real time can be measured as if it were alone on the machine, while others are under way.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from testbed.reaped_process import ReapedProcess


class HeldGuests:
    """The guests of a lab that run in virtual time; shared between the threads of its jobs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._guests: set[ReapedProcess] = set()
        self._holders = 0

    @contextmanager
    def running(self, guest: ReapedProcess) -> Iterator[None]:
        """The guest runs until the block ends, and is held whenever the others are."""
        with self._lock:
            self._guests.add(guest)
            if self._holders:
                guest.hold()
        try:
            yield
        finally:
            with self._lock:
                self._guests.remove(guest)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Hold them, those that start meanwhile too, until the block ends."""
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                for guest in self._guests:
                    guest.hold()
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if not self._holders:
                    for guest in self._guests:
                        guest.go_on()
