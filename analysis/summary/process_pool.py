"""A pool of processes that ends at once whatever they were at when they were killed.

`ProcessPoolExecutor` waits for ever for a process that was killed in the middle of its result, and until Python 3.12
for one that was killed before it had read its work (github.com/python/cpython/issues/94777): the pipes have another
end left, in this process itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class ProcessPool:
    """At most `count` processes, started when there is work. If one ends, all of them do, and what was under way fails
    with `BrokenProcessPool`, as what is submitted later does.
    """

    def __init__(self, count: int, initializer: Callable[..., object], initargs: tuple[Any, ...]) -> None:
        self._lock = threading.Lock()
        self._context = _Remembering()
        self._watched = 0
        self._executor = ProcessPoolExecutor(count, self._context, initializer, initargs)
        # Of its own for each, as the executor's threads close theirs.
        self._work = os.dup(self._executor._call_queue._reader.fileno())  # type: ignore[attr-defined]
        self._results: Any = self._executor._result_queue
        self._has_ended = False

    @property
    def processes(self) -> list[SpawnProcess]:
        """Those that have been started."""
        return [each for each in self._context.made if each.pid is not None]

    @property
    def alive(self) -> list[int]:
        """The ids of the processes that live."""
        found = []
        for process in self.processes:
            with contextlib.suppress(ValueError):  # the executor has done with it
                if process.is_alive() and process.pid is not None:
                    found.append(process.pid)
        return found

    def submit(self, work: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Have the function called in one of them. Raises `BrokenProcessPool` if one has ended, OSError if one cannot
        be started: then all of them end.
        """
        with self._lock:
            if self._has_ended:
                raise BrokenProcessPool("a process of the pool has ended")
            try:
                future = self._executor.submit(work, *args, **kwargs)
                for process in self.processes[self._watched :]:
                    threading.Thread(target=self._watch, args=(os.dup(process.sentinel),), daemon=True).start()
                    self._watched += 1
            except BaseException:
                self._end_processes()
                raise
            return future

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to each that lives."""
        for pid in self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self) -> None:
        """Kill them and wait until they and the executor's threads have ended; once."""
        manager: Any = self._executor._executor_manager_thread
        with self._lock:
            self._end_processes()
        # What waits for a process is not cancelled: it fails as what a process was at does.
        self._executor.shutdown(wait=False)
        while manager is not None and manager.is_alive():
            # Nobody else reads it any more, and the thread that writes it ends when all is written.
            if not connection.wait([self._work], 0.02) or not os.read(self._work, 1 << 16):
                manager.join(0.02)
        os.close(self._work)

    def _watch(self, sentinel: int) -> None:
        with os.fdopen(sentinel, "rb") as end:
            connection.wait([end.fileno()])
        with self._lock:
            self._end_processes()

    def _end_processes(self) -> None:
        """The lock must be held."""
        self._has_ended = True
        self.signal(signal.SIGKILL)
        self._results._writer.close()  # so that a result that was begun ends


class _Remembering(SpawnContext):
    """Starts processes afresh (the caller may have threads, which fork does not survive), and knows which."""

    def __init__(self) -> None:
        self.made: list[SpawnProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]
        process = SpawnProcess(*args, **kwargs)
        self.made.append(process)
        return process
