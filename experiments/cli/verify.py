"""`testbed verify`: run the points of a finished run again and say whether every byte is the same."""

from __future__ import annotations

from pathlib import Path

import click

from experiments import api
from experiments.api.events import Event, PointCompared, PointsToCompare
from experiments.cli.options import kernel_option, lab_option
from experiments.cli.output import show
from experiments.cli.own_options import own_parts, trust_option
from experiments.cli.progress import tell_of
from testbed.labs.catalog import LabSpec


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("points", nargs=-1, metavar="[POINT]...")
@click.option("--jobs", "-j", type=click.IntRange(1, 1000), help="Points at a time. Default: one per core.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="Keep the second run here.")
@lab_option
@kernel_option
@own_parts
@trust_option
def verify(
    run: Path,
    points: tuple[str, ...],
    jobs: int | None,
    keep: Path | None,
    lab: LabSpec,
    kernel: str | None,
    own: tuple[Path, ...],
    trust_code: bool,
) -> None:
    """Run the points of RUN again on the same kernel and compare every byte: captures, ab's output, counters.

    Without POINT, all that ran in virtual time. Leaves nothing behind unless told to with --keep. With --kernel on that
    one in the place of the run's: does it give the same?
    """
    api.load_parts(own)
    found = api.verify(
        run, points, lab=lab, kernel=kernel, jobs=jobs, keep=keep, trust_code=trust_code, listen=_Verdicts()
    )
    found.require_identical()
    show(f"all {len(found.asked)} points are identical")


class _Verdicts:
    """Prints each verdict as it comes, one below the other."""

    def __init__(self) -> None:
        self._width = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, PointsToCompare):
            self._width = max(map(len, event.ids), default=0)
        elif isinstance(event, PointCompared):
            verdict = event.verdict
            seconds = f", {verdict.wall_s:.1f} s" if verdict.wall_s else ""
            show(f"{verdict.finding:<13} {verdict.id:<{self._width}}  {verdict.detail}{seconds}")
        else:
            tell_of(event)
