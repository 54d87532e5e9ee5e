"""Tracepoints of the kernel: recorded while a point runs, read only when it is over (Documentation/trace/ftrace.rst).

In virtual time a look at the clock costs 256 ns, unless an interrupt is served (`timer_read` in arch/um/kernel/time.c),
so a trace with a clock of its own would change what it shows. There events are counted instead (`trace_clock` =
`counter`), and the time comes from the timers of the kernel: it goes on only while all sleep, until one of them
expires, and `hrtimer_expire_entry` says when that was. An event's time is that of the last one before it, too early by
no more than what programs have looked at the clock since: some microseconds.

A trace is the kernel's and not a process's: one whose process was killed goes on. So whoever records holds the trace's
directory, and one that nobody holds is removed, by `testbed clean` and by the next that records.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed import directory_lock
from testbed.base.errors import ReadbackError, TestbedError
from testbed.base.needs import Call, kernel
from testbed.labs import mount
from testbed.record.trace import EVENTS, FILE, GROUPS, TraceRecord

NEED = kernel(
    "tracepoints",
    "CONFIG_FTRACE",
    purpose="what [trace] asks for",
    probe=(Call(function="testbed.tools.kernel_trace:probe"),),
)

TICK = "timer/hrtimer_expire_entry"
_INSTANCE = Path("instances/mptcp-lb-testbed")
_KNOWN_AS = Path("/sys/kernel/tracing") / _INSTANCE
_ENDING_S = 2.0
"""How long a trace may be held by a process that is being ended."""

_LINE = re.compile(r"^\s*\S.*?-\d+\s+\[\d+\]\s+\S+\s+(?P<clock>[\d.]+): (?P<event>\w+): (?P<text>.*)$")
_NOW = re.compile(r"\bnow=(\d+)")
_MONOTONIC_NS = 10**17
"""Timers of the calendar's clock say its time, which is greater."""


@dataclass(frozen=True)
class Trace:
    """A trace that goes on: where it is, of what, and by which clock."""

    folder: Path
    events: tuple[str, ...]
    clock: str
    buffer_bytes: int

    def save(self, out: Path) -> None:
        """Stop, and write `trace.txt` and `trace.json`."""
        _write(self.folder / "tracing_on", "0")
        since_epoch_ns = time.time_ns() - time.monotonic_ns()
        names = {event.partition("/")[2] for event in self.events}
        recorded = 0
        with (self.folder / "trace").open(errors="replace") as said, (out / EVENTS).open("w") as file:
            for line in _timed(said, names, since_epoch_ns):
                file.write(line)
                recorded += 1
        record = TraceRecord(
            clock=self.clock,
            events=self.events,
            buffer_bytes=self.buffer_bytes,
            recorded=recorded,
            lost=_lost(self.folder),
        )
        (out / FILE).write_text(record.model_dump_json(indent=1) + "\n")


@contextlib.contextmanager
def tracing(groups: Sequence[str], buffer_bytes: int, *, virtual: bool) -> Iterator[Trace]:
    """Record the events of these groups (`testbed.record.trace`) until the block ends; then nothing of it is left.

    Raises TestbedError where the kernel has no tracing, or lacks an event, and ReadbackError for a buffer that it did
    not make as large.
    """
    events = tuple(event for group in groups for event in GROUPS[group])
    # Only what is told beside the packets needs a time of its own: RSTs are found again in the captures.
    ticks = (TICK,) if virtual and set(groups) != {"resets"} else ()
    clock = "counter" if virtual else "mono"
    with _tracefs() as root, _instance(root) as folder:
        _set_up(folder, (*events, *ticks), clock, buffer_bytes)
        yield Trace(folder, events, clock, buffer_bytes)


@contextlib.contextmanager
def _instance(root: Path) -> Iterator[Path]:
    """A trace of our own, held for the block and then removed; raises TestbedError while somebody has one."""
    folder = root / _INSTANCE
    try:
        _remove_left(folder)
        folder.mkdir()
        handle = directory_lock.hold(folder)
    except OSError as error:
        raise _in_use() from error
    try:
        # Whoever came between the two has seen a trace that nobody holds, and has removed it.
        if not os.fstat(handle).st_nlink:
            raise _in_use()
        try:
            yield folder
        finally:
            _remove(folder)
    finally:
        os.close(handle)


def _in_use() -> TestbedError:
    return TestbedError(f"{_KNOWN_AS}: another run records a trace", hint="try again when it has ended")


def remove_left() -> list[Path]:
    """Remove the trace that a killed run has left in this machine's kernel, and return its name; never one in use.

    Nothing where this user may not look, or the kernel has no tracing.
    """
    try:
        with mount.nowhere("tracefs") as root:
            return [_KNOWN_AS] if _remove_left(root / _INSTANCE) else []
    except OSError:
        return []


def _remove_left(folder: Path) -> bool:
    if not folder.is_dir() or not directory_lock.wait_until_free(folder, _ENDING_S):
        return False
    _remove(folder)
    return True


def _remove(folder: Path) -> None:
    try:
        (folder / "events" / "enable").write_text("0")
        folder.rmdir()
    except OSError as error:
        raise TestbedError(f"{_KNOWN_AS}: it cannot be removed: {error.strerror}") from error


def probe() -> None:
    """Raise unless every event can be traced here."""
    with tracing(tuple(GROUPS), 1 << 20, virtual=True):
        pass


def _set_up(folder: Path, events: Sequence[str], clock: str, buffer_bytes: int) -> None:
    _write(folder / "trace_clock", clock)
    if f"[{clock}]" not in (found := (folder / "trace_clock").read_text().strip()):
        raise ReadbackError("trace_clock", clock, found)
    # What does not fit is lost at the end: the beginning of a point is in the trace for sure.
    _write(folder / "options" / "overwrite", "0")
    kib = buffer_bytes // 1024
    _write(folder / "buffer_size_kb", str(kib))
    if int(found := (folder / "buffer_size_kb").read_text()) < kib:
        raise ReadbackError("buffer_size_kb", str(kib), found.strip())
    for event in events:
        enable = folder / "events" / event / "enable"
        if not enable.exists():
            raise TestbedError(f"this kernel has no tracepoint {event}", hint="a kernel with CONFIG_FTRACE and MPTCP")
        _write(enable, "1")
        if (found := enable.read_text().strip()) != "1":
            raise ReadbackError(event, "1", found)


@contextlib.contextmanager
def _tracefs() -> Iterator[Path]:
    """The kernel's tracing, mounted for the block and for us alone."""
    with contextlib.ExitStack() as stack:
        try:
            root = stack.enter_context(mount.nowhere("tracefs"))
        except OSError as error:
            what = f"tracefs cannot be mounted: {error.strerror}"
            raise TestbedError(what, hint="a kernel with CONFIG_FTRACE") from error
        yield root


def _timed(said: Iterable[str], names: set[str], since_epoch_ns: int) -> Iterator[str]:
    """The lines of the events with these names, each with its time in front."""
    now = "-"
    tick = TICK.partition("/")[2]
    for line in said:
        found = _LINE.match(line)
        if found is None:
            continue
        if found["event"] == tick:
            if (number := _NOW.search(found["text"])) and int(number[1]) < _MONOTONIC_NS:
                now = str(int(number[1]) + since_epoch_ns)
        elif found["event"] in names:
            clock = found["clock"]
            at = str(round(float(clock) * 1e9) + since_epoch_ns) if "." in clock else now
            yield f"{at} {found['event']} {found['text']}\n"


def _lost(folder: Path) -> int:
    """How many events did not fit: those of every processor's buffer."""
    lost = 0
    for stats in sorted(folder.glob("per_cpu/cpu*/stats")):
        counts = dict(line.split(":", 1) for line in stats.read_text().splitlines() if ":" in line)
        lost += sum(int(counts[name]) for name in ("overrun", "commit overrun", "dropped events"))
    return lost


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise TestbedError(f"{path.name}: the kernel takes no {text!r}: {error.strerror}") from error
