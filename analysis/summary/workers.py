"""Processes that share the work of an analysis, also while the points of a run still need the cores.

What is done in them leaves nothing but its result, which comes back to the caller's process: they can be ended at any
moment, and end with that process however it ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextvars import ContextVar
from multiprocessing import connection
from multiprocessing.synchronize import Event
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from analysis.summary.process_pool import ProcessPool

_P = ParamSpec("_P")
_T = TypeVar("_T")

_LINUX = sys.platform == "linux"
"""Elsewhere a thread has no niceness of its own, and no signal tells of a parent's end."""
_LOWEST = 19
_PR_SET_PDEATHSIG = 1


class Workers:
    """At most `count` processes; a context manager that ends them, also in the middle of their work.

    They are started when there is work. If one is killed (for lack of memory, say), the others end with it, and what
    was under way fails with `BrokenProcessPool`; what is submitted later gets new ones.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._lock = threading.Lock()
        self._pool: ProcessPool | None = None
        # The processes end with the thread that starts them, and have its signal mask: that of multiprocessing's
        # resource tracker too, which the first event or queue starts.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="workers", initializer=_block_signals)
        self._is_closed = False
        self._hurried = self._starter.submit(multiprocessing.get_context("spawn").Event).result()

    def submit(self, work: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Have the function called in one of them; it is named there, so it is one of a module.

        Raises RuntimeError once they are closed.
        """
        return self._submit(False, work, args, kwargs)

    def submit_low(self, work: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """As `submit`, with what processor time everybody else leaves, until `hurry` is called."""
        return self._submit(True, work, args, kwargs)

    def hurry(self) -> None:
        """Nothing else needs the cores any more."""
        self._hurried.set()
        for pid in self._pool.alive if self._pool is not None else []:
            _share_of_session(pid, 0)

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Hold them until the block ends, and begin nothing."""
        with self._lock:
            self._signal(signal.SIGSTOP)
            try:
                yield
            finally:
                self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End them; safe to call twice."""
        with self._lock:
            self._starter.shutdown()  # who began processes may have been interrupted, and this thread still does
            if self._pool is not None and not self._is_closed:
                self._pool.end()
            self._is_closed = True

    def _signal(self, number: signal.Signals) -> None:
        if self._pool is not None:
            self._pool.signal(number)

    def _submit(
        self, low: bool, work: Callable[..., _T], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Future[_T]:
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the workers have been closed")
            return self._starter.submit(self._begin, low, work, args, kwargs).result()

    def _begin(
        self, low: bool, work: Callable[..., _T], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Future[_T]:
        _block_signals()  # to start the tracker unblocks some
        if self._pool is not None:
            with contextlib.suppress(BrokenProcessPool):
                return self._pool.submit(_call, low, work, args, kwargs)
            self._pool.end()
        self._pool = ProcessPool(self.count, _begin, (self._hurried,))
        return self._pool.submit(_call, low, work, args, kwargs)

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _block_signals() -> None:
    # Ctrl-C and a closed terminal reach a whole session; the parent alone decides what follows from it. What is begun
    # while it still imports would complain.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))


_HURRIED: ContextVar[Event] = ContextVar("hurried")


def _begin(hurried: Event) -> None:
    _HURRIED.set(hurried)
    # The kernel shares out processor time by sessions first.
    with contextlib.suppress(OSError):
        os.setsid()
    _be_low()  # until there is work: its imports come before it
    # A worker holds both ends of its queue, so that it would wait for ever for a parent that was killed; or it is held.
    parent = multiprocessing.parent_process()
    if _LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    elif parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    if parent is None or os.getppid() != parent.pid:  # it was just now
        os._exit(1)


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _call(low: bool, work: Callable[..., _T], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _T:
    if low and _LINUX and _be_low():
        # A process without privileges cannot take back its niceness. A thread has one of its own, and ends with it.
        with ThreadPoolExecutor(1, initializer=_lower_this_thread) as thread:
            return thread.submit(work, *args, **kwargs).result()
    _share_of_session(os.getpid(), 0)
    return work(*args, **kwargs)


def _be_low() -> bool:
    """Leave the processor to others, unless nobody needs it any more."""
    hurried = _HURRIED.get()
    if not hurried.is_set():
        _share_of_session(os.getpid(), _LOWEST)
    if hurried.is_set():  # perhaps just now
        _share_of_session(os.getpid(), 0)
        return False
    return True


def _lower_this_thread() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)


def _share_of_session(pid: int, nice: int) -> None:
    """The niceness of a process' session, where the kernel has such (sched(7), "the autogroup feature").

    There a process' own niceness counts within its session only.
    """
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(f"{nice}\n")
