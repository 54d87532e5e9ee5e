"""The same selftests under many seeds: which subtest fails with which, and whether the failure comes again.

In virtual time a seed decides all that is left to chance: what netem loses, sequence numbers, keys, ports. So a subtest
that fails 'now and then' fails with some seeds always, and a seed and a digest are its reproducer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from testbed.kernel.ktap import Subtest
from testbed.kernel.selftests_run import UnitResult
from testbed.kernel.selftests_table import KERNEL_LOG, WHOLE

_SEEDS_NAMED = 5


@dataclass(frozen=True)
class Row:
    """One subtest of one kernel with one seed; `digest` is that of all that its script printed."""

    kernel: str
    unit: str
    subtest: str
    seed: int
    outcome: str
    note: str
    clock_ms: int
    digest: str


@dataclass(frozen=True)
class Failure:
    """A unit that failed with a seed: the reproducer; `again` says whether it did so a second time, byte by byte."""

    kernel: str
    unit: str
    seed: int
    digest: str
    subtests: tuple[str, ...]
    again: bool | None = None


def rows(kernel: str, seed: int, ends: Sequence[UnitResult]) -> list[Row]:
    """A row for each subtest of a kernel with a seed; one row for a unit without results."""
    found = []
    for end in ends:
        subtests = list(end.subtests) or [Subtest(WHOLE, "fail", end.error)]
        if end.warnings:
            subtests.append(Subtest(KERNEL_LOG, "fail", end.warnings[0]))
        found += [
            Row(kernel, end.unit, each.name, seed, each.outcome, each.note, each.clock_ms, end.digest)
            for each in subtests
        ]
    return found


def failures(found: Sequence[Row]) -> list[Failure]:
    """The units that failed, by kernel and seed."""
    units: dict[tuple[str, str, int, str], list[str]] = {}
    for row in found:
        if row.outcome == "fail":
            units.setdefault((row.kernel, row.unit, row.seed, row.digest), []).append(row.subtest)
    return [Failure(*key, tuple(names)) for key, names in units.items()]


def table(found: Sequence[Row], kernels: Sequence[str]) -> list[tuple[str, ...]]:
    """Cells: a line for each subtest, a column for each kernel: `20 ok`, or `18 ok, 2 fail (seeds 3, 17)`."""
    by_subtest: dict[tuple[str, str], dict[str, list[Row]]] = {}
    for row in found:
        by_subtest.setdefault((row.unit, row.subtest), {}).setdefault(row.kernel, []).append(row)
    lines: list[tuple[str, ...]] = [("selftest", "subtest", *kernels)]
    lines += [(*names, *(_cell(of.get(kernel, [])) for kernel in kernels)) for names, of in by_subtest.items()]
    return lines


def _cell(found: Sequence[Row]) -> str:
    by_outcome: Mapping[str, list[int]] = {
        outcome: [row.seed for row in found if row.outcome == outcome] for outcome in ("ok", "skip", "ignored", "fail")
    }
    words = []
    for outcome, seeds in by_outcome.items():
        if not seeds:
            continue
        more = ", ..." if len(seeds) > _SEEDS_NAMED else ""
        named = ", ".join(map(str, seeds[:_SEEDS_NAMED])) + more
        one = "seed" if len(seeds) == 1 else "seeds"
        words.append(f"{len(seeds)} {outcome}" + (f" ({one} {named})" if outcome == "fail" else ""))
    return ", ".join(words) or "-"
