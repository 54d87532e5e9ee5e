"""`testbed bench`: how many wall seconds a virtual second costs, for both anycast points and one page load."""

from __future__ import annotations

from statistics import median

import click

from experiments import api
from experiments.api.benchmark import Measured
from experiments.cli.options import lab_option
from experiments.cli.output import columns, show
from experiments.cli.progress import tell_of
from testbed.kernel.release import RELEASES
from testbed.labs.catalog import LabSpec


@click.command(short_help="Measure wall seconds per virtual second.")
@lab_option
@click.option(
    "--kernel",
    "names",
    multiple=True,
    metavar=f"{'|'.join(RELEASES)}|ID",
    help="Compare these kernels: releases, or builds of `testbed kernel status`.",
)
@click.option("--repeat", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Runs of each, in turn.")
@click.option(
    "--seconds", type=click.FloatRange(5, 100_000), default=20.0, show_default=True, help="Anycast's virtual time."
)
def bench(lab: LabSpec, names: tuple[str, ...], repeat: int, seconds: float) -> None:
    """Measure wall seconds per virtual second of three points; prints medians and their ratios.

    The cost of booting a guest is measured by itself and taken off. With several kernels they take turns, and each
    ratio is to the first: by its runs in the same turn. A kernel that changes a result is named.
    """
    found = api.measure(lab=lab, kernels=names, repeat=repeat, anycast_s=seconds, listen=tell_of)
    rows = [("point", "kernel", "virtual s", "wall s", "wall per virtual s", "ratio", "min", "max")]
    show(columns([*rows, *map(_row, found.measured)], right=range(2, 8)))
    show(f"\na guest that does nothing: {found.boot_s:.2f} s of wall time")
    if len(found.kernels) > 1:
        notes = [
            f"{each.point}: kernel {each.kernel} gives another result: {', '.join(each.differing)}"
            for each in found.measured
            if each.differing
        ]
        show("\n".join(notes or ["every file of every point is the same, byte by byte, with each kernel"]))


def _row(measured: Measured) -> tuple[str, str, str, str, str, str, str, str]:
    costs, ratios = measured.costs, measured.ratios
    return (
        measured.point,
        measured.kernel,
        f"{costs[0].virtual_s:.1f}",
        f"{median(cost.wall_s for cost in costs):.1f}",
        f"{median(cost.per_s for cost in costs):.2f}",
        f"{median(ratios):.2f}",
        f"{min(ratios):.2f}",
        f"{max(ratios):.2f}",
    )
