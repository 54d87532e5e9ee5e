"""Many made-up inputs for one reader, and what must hold of each: `fuzz`, which a test calls for every reader.

An input is a function of a name, a seed and a number, so a finding can be had again: the seed is fixed unless
FUZZING_SEED is in the environment. FUZZING says how many of the inputs that a test names are made: the first half of
them in `make test`, ten times as many in `make fuzz`, and a fiftieth if it does not say. Inputs are read in worker
processes, many by each: one that takes all memory, all time or the interpreter with it is a finding, not the end of
the tests. What must hold (the oracle):

- the result is a value of which the reader's own `check` holds, or one of the errors it may raise,
  whose text is one line of `longest` characters at most;
- it takes no more than `most_s` of a core, and `most_bytes` beside what the tests need themselves;
- nothing in the folder `KEPT`, which lies beside the reader's own and which links may point to, has changed.

A finding is shrunk to a smaller input of the same kind. It belongs into a test of its own beside the reader's others.
"""

from __future__ import annotations

import gc
import mmap
import multiprocessing
import os
import pickle
import resource
import signal
import struct
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from fuzz_folder import KEPT, fill_kept, place, signature, tmpfs
from oracle import OUR_ERRORS, Finding, Reader, attempt, shown, shrunk, too_slow

SEED = os.environ.get("FUZZING_SEED", "1")
FACTOR = float(os.environ.get("FUZZING", "0.02"))
ONLY = os.environ.get("FUZZING_ONLY", "")
"""The number of the one input to read, in this process and without a net (for a debugger)."""

_STUCK_S = 60.0


@dataclass(frozen=True)
class Report:
    """What became of the inputs: how many gave a value, how many an error, and what did not hold."""

    values: int = 0
    errors: int = 0
    findings: tuple[Finding, ...] = ()

    def __add__(self, other: Report) -> Report:
        return Report(self.values + other.values, self.errors + other.errors, self.findings + other.findings)


def fuzz(
    name: str,
    make: Callable[[Random], Any],
    read: Callable[[Path, Any], object],
    *,
    prepare: Callable[[Path], object] = lambda _folder: None,
    check: Callable[[Any], None] = lambda _value: None,
    errors: tuple[type[Exception], ...] = OUR_ERRORS,
    inputs: int = 100_000,
    most_s: float = 1.0,
    most_bytes: int = 1 << 29,
    longest: int = 3000,
    workers: int = 2,
) -> Report:
    """Read so many inputs; raises AssertionError with what was found. Prints how many, and how long one took."""
    reader = Reader(name, make, read, prepare, check, errors, most_s, most_bytes, longest)
    if ONLY:
        with place(name) as folder:
            prepare(folder)
            value = read(folder, make(_chance(name, int(ONLY))))
            check(value)
        return Report(values=1)
    count = max(int(inputs * FACTOR), 1)
    began = time.monotonic()
    gc.collect()
    shares = [range(first, count, workers) for first in range(workers)]
    report = _all(reader, [share for share in shares if share])
    each_us = (time.monotonic() - began) / count * 1e6
    print(f"{name}: {count} inputs, seed {SEED}: {report.values} values, {report.errors} errors, {each_us:.0f} us each")
    assert not report.findings, _told(reader, report.findings)
    assert report.values or count < 100, f"{name}: every input was refused: nothing was tried"
    return report


def _told(reader: Reader, findings: Sequence[Finding]) -> str:
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.kind, []).append(finding)
    lines = [f"{reader.name}, seed {SEED}: {len(kinds)} kinds of findings"]
    for kind, found in kinds.items():
        first = min(found, key=lambda each: len(each.given))
        lines += [f"--- {kind} ({len(found)} times; FUZZING_ONLY={first.number}):", first.what, f"input: {first.given}"]
    return "\n".join(lines)


def _all(reader: Reader, shares: Sequence[range]) -> Report:
    """The shares, each in a process of its own; one that dies goes on in a new one behind the input that killed it."""
    context = multiprocessing.get_context("fork")
    total = Report()
    waiting = list(shares)
    running: list[_Worker] = []
    try:
        while waiting or running:
            while waiting and len(running) < len(shares):
                running.append(_Worker(context, reader, waiting.pop()))
            time.sleep(0.005)
            for worker in [each for each in running if each.has_ended()]:
                running.remove(worker)
                report, left = worker.result()
                total += report
                if left and len(total.findings) < 50:
                    waiting.append(left)
    finally:
        for worker in running:
            worker.kill()
    return total


class _Worker:
    """A process that reads a share of the inputs; the number that it is at lies in shared memory."""

    def __init__(self, context: Any, reader: Reader, share: range) -> None:
        self._reader, self._share = reader, share
        self._at = mmap.mmap(-1, 16)
        self._seen, self._since = -1, time.monotonic()
        self._killed = False
        handle, name = tempfile.mkstemp(dir=tmpfs(), prefix="fuzzing-")
        os.close(handle)
        self._said = Path(name)
        self._process = context.Process(target=_work, args=(reader, share, self._at, self._said), daemon=True)
        self._process.start()

    def has_ended(self) -> bool:
        """Whether the process is no more; one that has been at the same input for long is killed."""
        (at,) = struct.unpack_from("q", self._at)
        if at != self._seen:
            self._seen, self._since = at, time.monotonic()
        elif time.monotonic() - self._since > _STUCK_S + self._reader.most_s:
            self._killed = True
            self._process.kill()
        return not self._process.is_alive()

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.join()
        self._said.unlink(missing_ok=True)

    def result(self) -> tuple[Report, range]:
        """What it found, and the inputs that are left."""
        self._process.join()
        said = self._said.read_bytes()
        self._said.unlink()
        report, (at,) = Report(), struct.unpack_from("q", self._at)
        if said:
            report = pickle.loads(said)
        if self._process.exitcode == 0:
            return report, range(0)
        how = f"nothing for {_STUCK_S:.0f} s" if self._killed else f"the process ended with {self._process.exitcode}"
        given = shown(self._reader.make(_chance(self._reader.name, at)))
        left = range(at + self._share.step, self._share.stop, self._share.step)
        return report + Report(findings=(Finding(at, how, how, given),)), left


def _work(reader: Reader, share: range, at: mmap.mmap, said: Path) -> None:
    signal.signal(signal.SIGPROF, too_slow)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.freeze()
    with place(reader.name) as folder:
        reader.prepare(folder)
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + reader.most_bytes, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        kept = signature(folder.parent / KEPT)
        report = Report()
        values = errors = 0
        kinds: dict[str, int] = {}
        for number in share:
            struct.pack_into("q", at, 0, number)
            given = reader.make(_chance(reader.name, number))
            finding = attempt(reader, folder, number, given)
            if finding is None and signature(folder.parent / KEPT) != kept:
                finding = Finding(number, "changed what is not its own", "", shown(given))
                fill_kept(folder.parent / KEPT)
                kept = signature(folder.parent / KEPT)
            if isinstance(finding, Finding):
                kinds[finding.kind] = kinds.get(finding.kind, 0) + 1
                if kinds[finding.kind] == 1:
                    finding = shrunk(reader, folder, finding, given)
                report += Report(findings=(finding,) if kinds[finding.kind] <= 3 else ())
                if sum(kinds.values()) > 100:
                    break
            elif finding is None:
                values += 1
            else:
                errors += 1
        said.write_bytes(pickle.dumps(report + Report(values, errors)))
    os._exit(0)


def _chance(name: str, number: int) -> Random:
    return Random(f"{name}/{SEED}/{number}")
