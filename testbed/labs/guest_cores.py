"""The cores of a lab's guests: each in virtual time has one of its own, one in real time shares theirs."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator

from testbed.labs import cores
from testbed.labs.base import Cancel, Clock


class GuestCores:
    """Shared between the threads of a lab's jobs.

    A guest waits up to `wait_s` seconds for a core of its own, then shares one. One in real time shares the core
    of one in virtual time, a template too, which goes on unless it is held: that with the fewest others in real time.
    Without any it waits as well. `report` is told, once, where a guest waits for other runs of this user.
    """

    def __init__(self, wait_s: float = math.inf, report: Callable[[str], None] = lambda _what: None) -> None:
        self._wait_s = wait_s
        self._report = report
        self._is_told = False
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
        with cores.lease(cancel, self._wait_s, self._waiting) as core:
            if clock == "real":
                yield core
                return
            self._virtual.append(core)
            try:
                yield core
            finally:
                self._virtual.remove(core)

    def _waiting(self) -> None:
        others = [str(each) for each in cores.holders() if each != os.getpid()]
        if others and not self._is_told:
            self._is_told = True
            processes = f"process{'es' if len(others) > 1 else ''} {', '.join(others)}"
            self._report(f"waiting for a core: each has a guest, those of {processes} among them")
