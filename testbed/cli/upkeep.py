"""`testbed doctor` and `testbed clean`: what this machine lacks, and what we left on it."""

from __future__ import annotations

from pathlib import Path

import click

from testbed import cleaning
from testbed import doctor as examination
from testbed.cli.labs import lab_option
from testbed.errors import PrerequisiteError, UsageError
from testbed.kernel.cache import default_cache
from testbed.labs import catalog
from testbed.labs.catalog import LabSpec


@click.command()
@lab_option
def doctor(lab: LabSpec) -> None:
    """Check everything that the testbed needs; print the cure for what is missing.

    For another lab than uml: what its kernel can do, each feature tried in a namespace that is thrown away. Not every
    point needs all of it.
    """
    missing = 0
    for check in examination.examine() if lab.kind == catalog.DEFAULT else examination.examine_lab(lab):
        missing += not check.ok
        click.echo(f"{'ok' if check.ok else 'missing':8} {check.name:28} {check.detail}".rstrip())
        if not check.ok:
            click.echo(f"{'':8} -> {check.cure}")
    if missing:
        raise PrerequisiteError(f"{missing} prerequisite{'s are' if missing > 1 else ' is'} missing")


@click.command()
@click.option("--results", "with_results", is_flag=True, help="Remove the runs in ./results too.")
@click.option("--kernels", "with_kernels", is_flag=True, help="Remove the built kernels from the cache too.")
@click.option("--yes", is_flag=True, help="Really remove results or kernels.")
def clean(with_results: bool, with_kernels: bool, yes: bool) -> None:
    """Remove what killed runs and builds left; nothing that is in use, nothing that is not ours."""
    if (with_results or with_kernels) and not yes:
        what = " and ".join(name for name, on in (("results", with_results), ("kernels", with_kernels)) if on)
        raise UsageError(f"this would remove all {what}", hint="add --yes")
    results, cache = Path("results"), default_cache()
    removed = [*cleaning.remove_runtimes(), *cleaning.remove_partials(results), *cleaning.remove_builds(cache)]
    if with_results:
        removed += cleaning.remove_results(results)
    if with_kernels:
        removed += cleaning.remove_kernels(cache)
    for path in removed:
        click.echo(f"removed {path}")
    if not removed:
        click.echo("nothing to remove")
