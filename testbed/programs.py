"""The programs that nodes run for as long as the network is there, beside those of a measurement."""

from __future__ import annotations

import signal
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType

from testbed.process import Process


class Programs:
    """Running programs by name; a context manager that ends them all."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[Process, ExitStack]] = {}

    def start(self, name: str, serving: AbstractContextManager[Process]) -> Process:
        """Start one, which `serving` does until it is left; raises what that does."""
        if name in self._running:
            raise ValueError(f"{name} runs already")
        with ExitStack() as stack:
            process = stack.enter_context(serving)
            self._running[name] = (process, stack.pop_all())
        return process

    def __getitem__(self, name: str) -> Process:
        return self._running[name][0]

    def kill(self, name: str) -> None:
        """End one at once, without a word to anybody."""
        process, stack = self._running.pop(name)
        with stack:
            process.stop(first=signal.SIGKILL)

    def __enter__(self) -> Programs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as all_of_them:
            for _, stack in self._running.values():
                all_of_them.push(stack)
            self._running.clear()
