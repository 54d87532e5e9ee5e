"""What the build of a kernel shows: a bar on a terminal, a line per stage otherwise, and in the end what was built."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from experiments.cli.output import Console
from testbed.kernel.cache import Kernel
from testbed.kernel.progress import Progress as KernelProgress
from testbed.kernel.progress import Report, Stage

_STAGES: dict[Stage, str] = {
    "wait": "waiting for another build of the same kernel",
    "download": "downloading the kernel source",
    "unpack": "unpacking the kernel source",
    "copy": "copying the source tree",
    "patch": "applying the patches",
    "configure": "configuring the kernel",
    "compile": "building the kernel",
    "helpers": "building the helpers of the selftests",
}
_SPARSE_PERCENT = 10


def shown(build: Callable[[Report], Kernel]) -> Kernel:
    """The kernel that `build` makes or finds, with all that is to be said of it on standard error."""
    errors = Console(stderr=True)
    stages: set[Stage] = set()
    with reporter(errors) as report:

        def note(progress: KernelProgress) -> None:
            stages.add(progress.stage)
            report(progress)

        made = build(note)
    how = f"built in {made.manifest.build_s:.0f} s" if "compile" in stages else "already in the cache"
    errors.print(f"kernel {made.id} ({made.release}): {how}", highlight=False)
    return made


@contextmanager
def reporter(console: Console) -> Iterator[Report]:
    """Report on a bar if a terminal is there, else in a line per stage and per tenth of it."""
    if not console.is_terminal:
        yield _SparseLines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("kernel", total=None)
        last: Stage | None = None

        def report(progress: KernelProgress) -> None:
            nonlocal last
            if progress.stage != last:
                last = progress.stage
                bar.reset(task, total=None, description=_STAGES[last])
            bar.update(task, completed=progress.done, total=progress.total or None)

        yield report


class _SparseLines:
    """Prints a line when a stage begins, and when another tenth of it is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stage: Stage | None = None
        self._next_percent = 0
        self._started = time.monotonic()

    def __call__(self, progress: KernelProgress) -> None:
        if progress.stage != self._stage:
            self._stage, self._next_percent = progress.stage, _SPARSE_PERCENT
            self._console.print(_STAGES[progress.stage], highlight=False)
        percent = 100 * progress.done // progress.total if progress.total else 0
        if percent >= self._next_percent:
            self._next_percent = percent - percent % _SPARSE_PERCENT + _SPARSE_PERCENT
            seconds = time.monotonic() - self._started
            self._console.print(f"{_STAGES[progress.stage]}: {percent} % after {seconds:.0f} s", highlight=False)
