"""The cores of a lab's guests: each in virtual time has one of its own, one in real time shares theirs."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

from testbed.labs import cores
from testbed.labs.base import Cancel, Clock


class GuestCores:
    """Shared between the threads of a lab's jobs.

    A guest waits up to `wait_s` seconds for a core of its own, then shares one. One in real time shares the core
    of one in virtual time, a template too, which goes on unless it is held: that with the fewest others in real time.
    Without any it waits as well.
    """

    def __init__(self, wait_s: float = math.inf) -> None:
        self._wait_s = wait_s
        self._virtual: list[int] = []
        self._real: list[int] = []

    @contextlib.contextmanager
    def lease(self, clock: Clock, cancel: Cancel) -> Iterator[int]:
        """The core for a guest, until the block ends; raises what `cores.lease` does."""
        if clock == "real" and (shared := self._virtual.copy()):
            # Its set-up mostly waits, and nothing of it is measured.
            core = min(shared, key=self._real.count)
            self._real.append(core)
            try:
                yield core
            finally:
                self._real.remove(core)
            return
        with cores.lease(cancel, self._wait_s) as core:
            if clock == "real":
                yield core
                return
            self._virtual.append(core)
            try:
                yield core
            finally:
                self._virtual.remove(core)
