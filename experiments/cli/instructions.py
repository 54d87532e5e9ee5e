"""`testbed count-instructions`: what page loads cost in instructions, MPTCP beside TCP."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import click

from analysis.claims import cpu_cost
from analysis.claims.cpu_cost import Comparison
from analysis.claims.evidence import size_name
from experiments import api
from experiments.api.instructions import DEFAULT_REPEAT
from experiments.cli import completion
from experiments.cli.given import require_not_given
from experiments.cli.options import scheme_files, scheme_option, set_option
from experiments.cli.output import columns, show
from experiments.cli.progress import tell_of
from testbed.base import files
from testbed.base.errors import UsageError
from testbed.record.instructions import Counts, Instructions, PointCount, read_counts

_HEADING = ("page", "", "programs", "kernel", "all", "+-", "a byte", "/ TCP", "requests/s, / TCP", "joins")

_OF_COUNTING = ("experiment", "sizes", "repeat", "schemes", "scheme_files", "overrides", "out")


@click.command("count-instructions")
@click.argument("experiment", required=False, shell_complete=completion.experiments)
@click.option("--sizes", metavar="SIZE,...", help="The pages' sizes (\"10 KB,1000 KB\"), instead of the experiment's.")
@click.option(
    "--repeat", type=click.IntRange(1, 100), default=DEFAULT_REPEAT, show_default=True, help="Counts of each."
)
@scheme_option
@scheme_files
@set_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.json", help="Keep the counts.")
@click.option(
    "--from",
    "kept",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.json",
    help="Kept counts: count nothing.",
)
@click.pass_context
def count_instructions(
    context: click.Context,
    experiment: str | None,
    sizes: str | None,
    repeat: int,
    schemes: tuple[str, ...],
    scheme_files: tuple[Path, ...],
    overrides: tuple[str, ...],
    out: Path | None,
    kept: Path | None,
) -> None:
    """Count the instructions of an experiment's page loads, e.g. `testbed count-instructions fig06`.

    The set-up runs under the patched x86-64 kernel in QEMU, which counts. It takes no counters of the hardware, no KVM
    and no root, and the counts are the same on any machine. docs/instructions.md.
    """
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no directory {out.parent}")
    if kept is not None:
        require_not_given(context, _OF_COUNTING, "--from FILE counts nothing")
        counts = read_counts(kept)
    else:
        counts = _count(experiment or "fig06", sizes, repeat, schemes, scheme_files, overrides)
    if out is not None:
        files.write_text(out, json.dumps(counts.fields(), indent=1) + "\n")
    show(text(counts))


def _count(
    experiment: str,
    sizes: str | None,
    repeat: int,
    schemes: Sequence[str],
    more_schemes: Sequence[Path],
    overrides: Sequence[str],
) -> Counts:
    settings = list(overrides)
    if sizes is not None:
        settings.append(f"workload.sizes={json.dumps([size.strip() for size in sizes.split(',')])}")
    points = api.plan([experiment], overrides=settings, clocks=("virtual",), schemes=schemes, scheme_files=more_schemes)
    return api.count_instructions(points, repeat=repeat, listen=tell_of)


def text(counts: Counts) -> str:
    """The table of the counts, a row a point, and what they say on the paper's Fig. 6."""
    comparisons = cpu_cost.compare(counts.points)
    beside = {each.mptcp.id: each for each in comparisons}
    rows: list[tuple[str, ...]] = [_HEADING]
    for point in counts.points:
        rows.append(_row(point, point.cost, point.variant or point.protocol.upper(), beside.get(point.id)))
        if point.past_director:
            rows.append(_row(point, point.past_director, "TCP, no director"))
    lines = [
        columns(rows, right=range(2, len(_HEADING))),
        "",
        "Thousands of instructions a request, all machines together: medians, and how far the farthest repeat is off;",
        "requests per second where the CPUs of client and servers are the limit (docs/instructions.md).",
        f"Linux {counts.kernel.get('release', 'unknown')}, QEMU {counts.qemu}.",
    ]
    for each in cpu_cost.judge(comparisons):
        lines.append(f"\n{each.label}. {each.sentence}\n  {each.finding.verdict}")
        lines += [f"  {check.label}: {check.measured}, bound {check.bound}" for check in each.finding.checks]
    for label in dict.fromkeys(cpu_cost.label_of(each) for each in comparisons):
        lines += ["", f"{label}. {_speeds([each for each in comparisons if cpu_cost.label_of(each) == label])}"]
    return "\n".join(lines)


def _speeds(comparisons: Sequence[Comparison]) -> str:
    found = cpu_cost.speeds_of_the_figure(comparisons)
    if found is None:
        return "There is no speed of client and servers at which both sentences hold for the pages that were counted."
    least, most = (per_s / 1e9 for per_s in found)
    return (
        f"With CPUs and links as limits, both sentences hold where client and servers together execute {least:.1f} to "
        f"{most:.1f} thousand million instructions a second."
    )


def _row(point: PointCount, cost: Instructions, name: str, beside: Comparison | None = None) -> tuple[str, ...]:
    off = max(abs(each - cost.median) for each in cost.all) / cost.median if cost.median else 0.0
    return (
        size_name(point.object_bytes),
        " ".join(word for word in (point.condition, name) if word),
        *(f"{median(each) / 1000:.1f}" for each in (cost.programs, cost.kernel, cost.all)),
        f"{off * 100:.2f} %",
        f"{cost.median / point.object_bytes:.2f}" if point.object_bytes else "",
        f"{beside.ratio.value:.3f}" if beside else "",
        f"{beside.speed.low:.2f} to {beside.speed.high:.2f}" if beside else "",
        "" if point.joins is None else f"{point.joins * 100:.0f} %",
    )
