"""`testbed results`: the runs here, what each takes of the disk, and the removal of those that are not wanted."""

from __future__ import annotations

from pathlib import Path

import click

from experiments.cli.output import columns, say, show
from testbed.base.errors import PrerequisiteError, UsageError
from testbed.base.text import plain
from testbed.base.units import format_size
from testbed.runs import listing
from testbed.runs.listing import Listed
from testbed.runs.store import RESULTS, open_run


@click.command
@click.argument("runs", nargs=-1, metavar="[RUN...]", type=click.Path(path_type=Path))
@click.option("--remove", is_flag=True, help="Remove these RUNs: all of them that this toolkit has made.")
@click.option("--yes", is_flag=True, help="Really remove.")
def results(runs: tuple[Path, ...], remove: bool, yes: bool) -> None:
    """List the runs in ./results, or these RUNs: state, points, size on the disk; or remove them.

    Nothing is removed that this toolkit has not made there, nor a run in which one is at work.
    """
    if not remove:
        if yes:
            raise UsageError("--yes: to what?", hint="testbed results RUN --remove --yes")
        found = [listing.listed(open_run(each)) for each in runs] if runs else listing.in_results(RESULTS, say)
        show(table(found) if found else "no runs")
        return
    if not runs:
        raise UsageError("--remove: which runs?", hint="name them; all in ./results: testbed clean --results --yes")
    if not yes:
        size = format_size(sum(listing.size_bytes(each.directory) for each in listing.removable(runs)))
        raise UsageError(f"this would remove {', '.join(map(str, runs))}: {size}", hint="add --yes")
    left = []
    for path, why in listing.remove(runs):
        show(f"left alone: {plain(path)}: {plain(why)}" if why else f"removed {plain(path)}")
        left += [why] if why else []
    if left:
        raise PrerequisiteError(f"{len(left)} of {len(runs)} runs have more in them than was ours", hint="see above")


def table(found: list[Listed]) -> str:
    """A line a run, and their sum."""
    rows = [("run", "state", "points", "size", "started", "")]
    rows += [
        (
            str(each.directory),
            each.state,
            f"{each.ok}/{each.points}",
            format_size(each.size_bytes),
            each.started_at.replace("T", " ").partition("+")[0],
            f"not ours: {each.why_not_ours}" if each.why_not_ours else "",
        )
        for each in found
    ]
    total = format_size(sum(each.size_bytes for each in found))
    return f"{columns(rows, right=(2, 3))}\n\n{len(found)} run{'s' if len(found) != 1 else ''}, {total}"
