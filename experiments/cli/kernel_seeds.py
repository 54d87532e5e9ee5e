"""`testbed kernel test --seeds N`: the kernel's selftests under many seeds; every failure becomes a reproducer."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from experiments.cli.output import columns, show
from testbed.base import files
from testbed.base.errors import PointsFailed, RunInterrupted
from testbed.kernel import selftests_run, selftests_seeds
from testbed.kernel.cache import Kernel
from testbed.kernel.selftests import Suite, Unit
from testbed.kernel.selftests_run import UnitResult
from testbed.kernel.selftests_seeds import Failure, Row
from testbed.labs.base import Cancel
from testbed.labs.uml import UmlLab
from testbed.runs import scheduler, store

_SHORT = 12


@dataclass(frozen=True)
class Search:
    """What is tried: units of a suite on kernels by their labels, with `sysctls` in their namespaces; where output
    goes, guests at a time, the bound of each, and who is told of each end. `options` are the command's own, but for the
    seeds and where output goes."""

    units: Sequence[Unit]
    suite: Suite
    kernels: Mapping[str, Kernel]
    directory: Path
    jobs: int
    wall_limit_s: float
    told: Callable[[str, UnitResult], None]
    sysctls: Sequence[str] = ()
    options: Sequence[str] = ()

    def run(
        self,
        units: Sequence[Unit],
        labels: Sequence[str],
        seed: int,
        cancel: Cancel,
        told: Callable[[str, UnitResult], None],
        *,
        again: bool = False,
    ) -> dict[str, list[UnitResult]]:
        """The units on the kernels of these labels, with a seed; `told` hears of each end."""
        return selftests_run.run(
            units,
            self.suite,
            {label: UmlLab(self.kernels[label].image) for label in labels},
            self.directory / (f"seed-{seed}-again" if again else f"seed-{seed}"),
            jobs=self.jobs,
            wall_limit_s=self.wall_limit_s,
            cancel=cancel,
            on_result=told,
            seed=seed,
            sysctls=self.sysctls,
        )


def try_seeds(search: Search, seeds: Sequence[int]) -> None:
    """Run everything with every seed, failures once more; print and keep the tables.

    Raises `PointsFailed` if anything failed, `RunInterrupted` once it was interrupted, with tables of what has ended.
    """
    cancel = Cancel()
    found: list[Row] = []
    failed: list[Failure] = []
    left = list(seeds)
    interruption: RunInterrupted | None = None
    try:
        with scheduler.cancel_on_signals(cancel):
            while left:
                _try_seed(search, left[0], cancel, found)
                left.pop(0)
            for each in selftests_seeds.failures(found):
                failed.append(_tried_again(search, each, cancel))
    except RunInterrupted as error:
        interruption = error
        failed += selftests_seeds.failures(found)[len(failed) :]
    if found:
        _report(search, seeds, found, failed, left)
    if interruption is not None:
        raise _ended_early(search, seeds, left, interruption) from interruption
    if failed:
        first = failed[0]
        raise PointsFailed(
            f"{len(failed)} of {len(search.units) * len(search.kernels) * len(seeds)} runs of selftests failed: "
            f"{first.kernel}: {first.unit}: {first.subtests[0]} with seed {first.seed}"
        )


def _try_seed(search: Search, seed: int, cancel: Cancel, found: list[Row]) -> None:
    """Run everything with a seed, and add the rows of what has ended, be it interrupted."""
    order = [unit.name for unit in search.units]
    ended: dict[str, list[UnitResult]] = {label: [] for label in search.kernels}

    def hear(label: str, end: UnitResult) -> None:
        ended[label].append(end)
        search.told(label, end)

    try:
        search.run(search.units, list(search.kernels), seed, cancel, hear)
    finally:
        for label, of in ended.items():
            found += selftests_seeds.rows(label, seed, sorted(of, key=lambda end: order.index(end.unit)))
        _save_rows(search.directory, found)


def _report(
    search: Search, seeds: Sequence[int], found: Sequence[Row], failed: Sequence[Failure], left: Sequence[int]
) -> None:
    """Print and keep the tables."""
    text = columns(selftests_seeds.table(found, list(search.kernels)))
    lines = [_described(search, each) for each in failed]
    whole = "\n".join([_heading(search, seeds, left), "", text, *([""] if lines else []), *lines]) + "\n"
    files.write_text(search.directory / "seeds.txt", whole)
    store.write_json(
        search.directory / "seeds.json",
        {
            "version": 1,
            "suite": search.suite.source,
            "seeds": list(seeds),
            "left": list(left),
            "sysctls": list(search.sysctls),
            "kernels": {label: kernel.facts() for label, kernel in search.kernels.items()},
            "failures": [asdict(each) for each in failed],
        },
    )
    show(whole)
    show(f"kept in {search.directory}")


def _ended_early(
    search: Search, seeds: Sequence[int], left: Sequence[int], interruption: RunInterrupted
) -> RunInterrupted:
    """What is left, and the command that goes on with it."""
    if not left:
        what = f"{interruption}; all seeds are done, not every failure was tried again"
        return RunInterrupted(what, hint="each failure's line has the command")
    return RunInterrupted(
        f"{interruption}; {len(seeds) - len(left)} of {len(seeds)} seeds are done",
        hint=f"go on with: {_command(len(left), left[0], search.options)}",
    )


def _command(seeds: int, first: int, options: Sequence[str]) -> str:
    """The command that tries so many seeds, from this one on."""
    return shlex.join(("testbed", "kernel", "test", "--seeds", str(seeds), "--seed", str(first), *options))


def _tried_again(search: Search, failure: Failure, cancel: Cancel) -> Failure:
    """The failure, and whether the same seed brings the same output."""
    units = [unit for unit in search.units if unit.name == failure.unit]
    ends = search.run(units, [failure.kernel], failure.seed, cancel, lambda _label, _end: None, again=True)
    return replace(failure, again=bool(failure.digest) and ends[failure.kernel][0].digest == failure.digest)


def _described(search: Search, failure: Failure) -> str:
    """A reproducer: what failed, and the command that shows it again."""
    again = "did NOT come again: it depends on more than the seed"
    if failure.again is None:
        again = "was not tried again"
    elif failure.again:
        again = "came again, byte by byte"
    kernel = search.kernels[failure.kernel].id
    names = ", ".join(failure.subtests[:3]) + (", ..." if len(failure.subtests) > 3 else "")
    sysctls = [word for setting in search.sysctls for word in ("--sysctl", setting)]
    command = _command(1, failure.seed, ["--only", failure.unit, "--kernel", kernel, *sysctls])
    return f"- {failure.kernel}: {failure.unit}: {names}\n  {again}: {command} (digest {failure.digest[:_SHORT]})"


def _heading(search: Search, seeds: Sequence[int], left: Sequence[int]) -> str:
    settings = "".join(f", {setting} in each namespace" for setting in search.sysctls)
    lines = [f"selftests of {search.suite.source}, seeds {seeds[0]} to {seeds[-1]}{settings}"]
    if left:
        lines.append(f"interrupted: {len(left)} seeds are not done, from {left[0]}, of which there is what had ended")
    lines += [f"{label}: {kernel.release} ({kernel.id})" for label, kernel in search.kernels.items()]
    return "\n".join(lines)


def _save_rows(directory: Path, found: Sequence[Row]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, [each.name for each in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in found)
    files.write_text(directory / "seeds.csv", text.getvalue())
