"""`testbed libraries`, `testbed doctor`, `testbed clean`: what this machine lacks, and what we left on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from experiments.cli.options import lab_option, labs_option
from experiments.cli.output import say, show
from experiments.needs import every
from testbed import doctor as examination
from testbed.base import ownership
from testbed.base.errors import PrerequisiteError, UsageError
from testbed.base.text import plain
from testbed.kernel.cache import default_cache
from testbed.labs import catalog
from testbed.labs.catalog import LabOptions, LabSpec
from testbed.labs.vm import machine
from testbed.labs.vm.state import default_state
from testbed.runs import cleaning
from testbed.runs.store import RESULTS
from testbed.tools import large_reads


@click.command()
def libraries() -> None:
    """Build the library that ab preloads for large reads, unless the cache has it, and print its path."""
    show(large_reads.ensure(default_cache()))


@click.command()
@lab_option
def doctor(lab: LabSpec) -> None:
    """Check everything that the testbed needs; print the cure for what is missing.

    For another lab than uml: what its kernel can do, each feature tried in a namespace that is thrown away. Not every
    point needs all of it.
    """
    missing = 0
    for check in examination.examine(every()) if lab.kind == catalog.DEFAULT else _elsewhere(lab):
        missing += not check.ok
        show(f"{'ok' if check.ok else 'missing':8} {check.name:28} {check.detail}".rstrip())
        if not check.ok:
            show(f"{'':8} -> {check.cure}")
    if missing:
        raise PrerequisiteError(
            f"{missing} prerequisite{'s are' if missing > 1 else ' is'} missing", hint="each has its cure below it"
        )


def _elsewhere(lab: LabSpec) -> Iterator[examination.Check]:
    return examination.examine_lab(lab, every(), LabOptions(report=say))


@click.command()
@labs_option
@click.option("--toolkits", is_flag=True, help="Remove the toolkits that were sent to the --lab machines too.")
@click.option("--results", "with_results", is_flag=True, help="Remove the runs in ./results too.")
@click.option("--kernels", "with_kernels", is_flag=True, help="Remove the built kernels from the cache too.")
@click.option("--yes", is_flag=True, help="Really remove results or kernels.")
def clean(labs: list[LabSpec], toolkits: bool, with_results: bool, with_kernels: bool, yes: bool) -> None:
    """Remove what killed runs and builds left; nothing that is in use, nothing that is not ours.

    That includes what killed runs left on other machines; --lab ssh:HOST goes to a machine whether or not anything is
    known to be there.
    """
    if (with_results or with_kernels) and not yes:
        what = " and ".join(name for name, on in (("results", with_results), ("kernels", with_kernels)) if on)
        raise UsageError(f"this would remove all {what}", hint="add --yes")
    cache = default_cache()
    removed = [*cleaning.remove_runtimes(), *cleaning.remove_core_locks(), *cleaning.remove_traces()]
    removed += [*cleaning.remove_partials(RESULTS, _left), *ownership.remove_drafts(Path())]
    removed += cleaning.remove_builds(cache)
    removed += machine.remove_leftovers(default_state())
    if with_results:
        removed += cleaning.remove_results(RESULTS, _left)
    if with_kernels:
        removed += cleaning.remove_kernels(cache)
    for path in removed:
        show(f"removed {plain(path)}")
    if _clean_others(labs, toolkits) == 0 and not removed:
        show("nothing to remove")


def _left(why: str) -> None:
    show(f"left alone: {plain(why)}")


def _clean_others(labs: Sequence[LabSpec], toolkits: bool) -> int:
    """Go to the other machines; the number of things removed. Raises the first error, after all had their turn."""
    from testbed.labs.ssh import leftovers  # paramiko takes a while to import

    named = [lab.target for lab in labs if lab.kind == "ssh"]
    if toolkits and not named:
        raise UsageError("--toolkits: on which machine?", hint="add --lab ssh:HOST")
    count, errors = 0, []
    for found in leftovers.remove(named, toolkits=toolkits, report=say):
        count += len(found.removed)
        for path in found.removed:
            show(f"removed {plain(path)} on {plain(found.host)}")
        if found.error is not None:
            errors.append(found.error)
    if errors:
        raise errors[0]
    return count
