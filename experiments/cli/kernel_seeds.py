"""`testbed kernel test --seeds N`: the kernel's selftests under many seeds; every failure becomes a reproducer."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from experiments.cli.output import columns, show
from testbed.base import files
from testbed.base.errors import PointsFailed
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
    goes, guests at a time, the bound of each, and who is told of each end."""

    units: Sequence[Unit]
    suite: Suite
    kernels: Mapping[str, Kernel]
    directory: Path
    jobs: int
    wall_limit_s: float
    told: Callable[[str, UnitResult], None]
    sysctls: Sequence[str] = ()

    def run(
        self, units: Sequence[Unit], labels: Sequence[str], seed: int, cancel: Cancel, *, again: bool = False
    ) -> dict[str, list[UnitResult]]:
        """The units on the kernels of these labels, with a seed."""
        return selftests_run.run(
            units,
            self.suite,
            {label: UmlLab(self.kernels[label].image) for label in labels},
            self.directory / (f"seed-{seed}-again" if again else f"seed-{seed}"),
            jobs=self.jobs,
            wall_limit_s=self.wall_limit_s,
            cancel=cancel,
            on_result=(lambda _label, _end: None) if again else self.told,
            seed=seed,
            sysctls=self.sysctls,
        )


def try_seeds(search: Search, seeds: Sequence[int]) -> None:
    """Run everything with every seed, failures once more; print and keep the tables.

    Raises `PointsFailed` if anything failed.
    """
    cancel = Cancel()
    found: list[Row] = []
    with scheduler.cancel_on_signals(cancel):
        for seed in seeds:
            ends = search.run(search.units, list(search.kernels), seed, cancel)
            found += [row for label, of in ends.items() for row in selftests_seeds.rows(label, seed, of)]
            _save_rows(search.directory, found)
        failed = [_tried_again(search, each, cancel) for each in selftests_seeds.failures(found)]
    text = columns(selftests_seeds.table(found, list(search.kernels)))
    lines = [_described(search, each) for each in failed]
    whole = "\n".join([_heading(search, seeds), "", text, *([""] if lines else []), *lines]) + "\n"
    files.write_text(search.directory / "seeds.txt", whole)
    store.write_json(
        search.directory / "seeds.json",
        {
            "version": 1,
            "suite": search.suite.source,
            "seeds": list(seeds),
            "sysctls": list(search.sysctls),
            "kernels": {label: kernel.facts() for label, kernel in search.kernels.items()},
            "failures": [asdict(each) for each in failed],
        },
    )
    show(whole)
    show(f"kept in {search.directory}")
    if failed:
        first = failed[0]
        raise PointsFailed(
            f"{len(failed)} of {len(search.units) * len(search.kernels) * len(seeds)} runs of selftests failed: "
            f"{first.kernel}: {first.unit}: {first.subtests[0]} with seed {first.seed}"
        )


def _tried_again(search: Search, failure: Failure, cancel: Cancel) -> Failure:
    """The failure, and whether the same seed brings the same output."""
    units = [unit for unit in search.units if unit.name == failure.unit]
    ends = search.run(units, [failure.kernel], failure.seed, cancel, again=True)
    return replace(failure, again=bool(failure.digest) and ends[failure.kernel][0].digest == failure.digest)


def _described(search: Search, failure: Failure) -> str:
    """A reproducer: what failed, and the command that shows it again."""
    again = "came again, byte by byte" if failure.again else "did NOT come again: it depends on more than the seed"
    kernel = search.kernels[failure.kernel].id
    names = ", ".join(failure.subtests[:3]) + (", ..." if len(failure.subtests) > 3 else "")
    more = "".join(f" --sysctl {setting}" for setting in search.sysctls)
    command = f"testbed kernel test --only {failure.unit} --seeds 1 --seed {failure.seed} --kernel {kernel}{more}"
    return f"- {failure.kernel}: {failure.unit}: {names}\n  {again}: {command} (digest {failure.digest[:_SHORT]})"


def _heading(search: Search, seeds: Sequence[int]) -> str:
    settings = "".join(f", {setting} in each namespace" for setting in search.sysctls)
    lines = [f"selftests of {search.suite.source}, seeds {seeds[0]} to {seeds[-1]}{settings}"]
    lines += [f"{label}: {kernel.release} ({kernel.id})" for label, kernel in search.kernels.items()]
    return "\n".join(lines)


def _save_rows(directory: Path, found: Sequence[Row]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, [each.name for each in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in found)
    files.write_text(directory / "seeds.csv", text.getvalue())
