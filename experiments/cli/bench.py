"""`testbed bench`: what points cost in virtual time, whole ones, short ones, page loads and a tiny one."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import click

from experiments import api
from experiments.api.benchmark import Measured
from experiments.cli.options import NumberRange, lab_option
from experiments.cli.output import columns, show
from experiments.cli.progress import tell_of
from testbed.kernel.release import RELEASES
from testbed.labs.catalog import LabSpec

_NONE = "-"


@click.command()
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
    "--seconds",
    type=NumberRange(5, 100_000),
    default=10.0,
    show_default=True,
    help="Of the short anycast points.",
)
@click.option("--short", is_flag=True, help="Leave out the whole anycast points, which take a minute or two each.")
def bench(lab: LabSpec, names: tuple[str, ...], repeat: int, seconds: float, short: bool) -> None:
    """Measure what points cost, in CPU and wall seconds: whole anycast points, short ones, page loads, a tiny one.

    Prints medians, boot included. With several kernels they take turns, and each ratio is to the first one's run in the
    same turn: the median, and in brackets the least and the greatest. A kernel that changes a result is named.
    """
    found = api.measure(lab=lab, kernels=names, repeat=repeat, short_s=seconds, whole=not short, listen=tell_of)
    heading: tuple[str, ...] = (
        "point",
        "kernel",
        "virtual s",
        "CPU s",
        "wall s",
        "CPU per virtual s",
        "wall per virtual s",
    )
    compared = len(found.kernels) > 1
    rows = [(*heading, "CPU ratio", "wall ratio") if compared else heading]
    rows += [_row(each, compared=compared) for each in (*found.boots, *found.measured)]
    show(columns(rows, right=range(2, len(rows[0]))))
    runs = "1 run" if found.repeat == 1 else f"{found.repeat} runs"
    show(f"\n{runs} of each, in turns; CPU of the guest and its processes")
    if compared:
        notes = [
            f"{each.point}: kernel {each.kernel} gives another result: {', '.join(each.differing)}"
            for each in found.measured
            if each.differing
        ]
        show("\n".join(notes or ["every file of every point is the same, byte by byte, with each kernel"]))


def _row(measured: Measured, *, compared: bool) -> tuple[str, ...]:
    virtual_s, wall_s, cpu_s = measured.virtual_s, measured.wall_s, measured.cpu_s
    is_boot = measured.point == "boot"
    row = (
        measured.point,
        measured.kernel,
        _NONE if is_boot else f"{virtual_s:.1f}",
        _NONE if cpu_s is None else f"{cpu_s:.2f}",
        f"{wall_s:.2f}",
        _NONE if cpu_s is None or is_boot else f"{cpu_s / virtual_s:.2f}",
        _NONE if is_boot else f"{wall_s / virtual_s:.2f}",
    )
    return (*row, _ratios(measured.cpu_ratios), _ratios(measured.wall_ratios)) if compared else row


def _ratios(found: Sequence[float]) -> str:
    return f"{median(found):.2f} ({min(found):.2f}-{max(found):.2f})" if found else _NONE
