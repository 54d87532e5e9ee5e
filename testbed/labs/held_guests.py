"""Guests that can be held. In virtual time their clock stands still meanwhile, and nothing in them notices.

So a job in real time can be measured as if it were alone on the machine, while others are under way. One in real time
is held before it is measured: its clock goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.reaped_process import ReapedProcess


class HeldGuests:
    """The guests of a lab; shared between the threads of its jobs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_real_time: dict[Path, ReapedProcess] = {}
        self._guests: set[ReapedProcess] = set()
        self._holders = 0

    @contextmanager
    def running(self, guest: ReapedProcess) -> Iterator[None]:
        """The guest, in virtual time, runs until the block ends, and is held whenever the others are."""
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
    def running_in_real_time(self, guest: ReapedProcess, output: Path) -> Iterator[None]:
        """The guest runs until the block ends, with this output of its job's, and is held alone (`pausing`)."""
        self._in_real_time[output] = guest
        try:
            yield
        finally:
            del self._in_real_time[output]

    @contextmanager
    def pausing(self, output: Path) -> Iterator[None]:
        """Hold the guest in real time with this output until the block ends."""
        guest = self._in_real_time.get(output)
        if guest is not None:
            guest.hold()
        try:
            yield
        finally:
            if guest is not None:
                guest.go_on()

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Hold those in virtual time, those that start meanwhile too, until the block ends."""
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
