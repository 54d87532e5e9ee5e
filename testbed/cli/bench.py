"""`testbed bench`: how many wall seconds a virtual second costs, for both anycast points and one page load."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from experiments.point import Point
from testbed.cli import guest
from testbed.cli.inspect import columns
from testbed.cli.run import job_of, plan_points
from testbed.labs.base import Job, JobResult

_SECONDS = 20
_ANYCAST = (f"workload.duration={_SECONDS} s",)
_PAGES = ("workload.sizes=1000 KB", "workload.total=200 MB")


def _points() -> list[Point]:
    anycast = plan_points(["fig13", "fig14"], "paper", [1], _ANYCAST)
    return [*anycast, *plan_points(["fig07"], "paper", [1], _PAGES)]


@click.command()
@guest.lab_option
def bench(lab_name: str) -> None:
    """Measure wall seconds per virtual second of three points, one after the other; prints them and their ratios.

    The cost of booting a guest is measured by itself and taken off.
    """
    lab = guest.open_lab(lab_name, guest.current_kernel())
    rows = [("point", "virtual s", "wall s", "wall per virtual s", "of the first")]
    first = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        boot: JobResult = lab.run(Job(("true",), Path(scratch) / "boot"))
        for point in _points():
            output = Path(scratch) / point.id
            output.mkdir()
            result = lab.run(job_of(point, output))
            cost = (result.wall_s - boot.wall_s) / result.clock_s
            first = first or cost
            rows.append(
                (point.id, f"{result.clock_s:.1f}", f"{result.wall_s:.1f}", f"{cost:.2f}", f"{cost / first:.2f}")
            )
    click.echo(columns(rows, right=(1, 2, 3, 4)))
    click.echo(f"\na guest that does nothing: {boot.wall_s:.2f} s of wall time")
