"""From the facts of runs to a `Report`: what the page and the terminal show, in the order of reading."""

from __future__ import annotations

import json
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from analysis.claims import Judgement, Verdict, judge
from analysis.figures.paper import draw_figure, figure_groups, svg_bytes
from analysis.report.details import RunDetails, draw_details
from analysis.report.run_facts import Digests, RunFacts
from analysis.summary.model import PointSummary
from analysis.summary.text import curve_name
from testbed.base.text import plain_lines

# The files of a point that hold its measurement; the digests have the others, too.
_MEASUREMENTS = (".pcap", "ab.txt")


@dataclass(frozen=True)
class SetUp:
    """A topology as a picture of text, and the figures (or experiments) that ran on it."""

    figures: tuple[str, ...]
    picture: str


@dataclass(frozen=True)
class MeasuredRow:
    """One row of a figure's table: an object size and, by curve, mean goodput (Mbit/s) and bypass share (%)."""

    object_kb: float
    cells: tuple[tuple[float | None, float | None], ...]


@dataclass(frozen=True)
class FigureEntry:
    """A figure: its drawing (SVG), what it shows in words, its claims, and its measured values."""

    name: str
    title: str
    svg: bytes
    description: str
    judgements: tuple[Judgement, ...]
    curves: tuple[str, ...]
    rows: tuple[MeasuredRow, ...]


@dataclass(frozen=True)
class Environment:
    """Where and with what a run was made, as (name, value) rows."""

    run: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Repetition:
    """How a run is repeated: its commands, and the hashes that must come out again."""

    run: str
    commands: tuple[str, ...]
    digests: tuple[Digests, ...]


@dataclass(frozen=True)
class Report:
    """Everything that is shown."""

    runs: tuple[str, ...]
    judgements: tuple[Judgement, ...]
    warnings: tuple[str, ...]
    set_ups: tuple[SetUp, ...]
    figures: tuple[FigureEntry, ...]
    details: tuple[RunDetails, ...]
    environments: tuple[Environment, ...]
    repetitions: tuple[Repetition, ...]
    points: int

    def count(self, verdict: Verdict) -> int:
        """How many claims have this verdict."""
        return sum(judgement.verdict is verdict for judgement in self.judgements)


def compile_report(runs: Sequence[RunFacts]) -> Report:
    """The report of some runs."""
    distinct = list({run.directory.resolve(): run for run in runs}.values())
    points = [point for run in distinct for point in run.points]
    judgements = tuple(judge(points))
    return Report(
        runs=tuple(run.name for run in distinct),
        judgements=judgements,
        warnings=tuple(_warnings(distinct, points)),
        set_ups=tuple(_set_ups(points)),
        figures=tuple(_figures(distinct, points, judgements)),
        details=tuple(draw_details(run) for run in distinct),
        environments=tuple(_environment(run) for run in distinct),
        repetitions=tuple(_repetition(run) for run in distinct),
        points=len(points),
    )


def _warnings(runs: Sequence[RunFacts], points: Sequence[PointSummary]) -> list[str]:
    found = []
    for run in runs:
        if not run.is_complete:
            found.append(f"{run.name}: the run is not complete (state: {run.manifest.get('state', 'unknown')})")
        found += [f"{run.name}: {name}: planned, but it has no result" for name in run.missing]
        for point in run.points:
            reasons = point.invalid_reasons or ("no reason given",)
            found += [f"{run.name}: {point.id}: invalid: {reason}" for reason in reasons if not point.valid]
    for run in runs:
        source, locked = run.kernel.get("source"), run.kernel.get("locked_source")
        if locked and source != locked:
            found.append(f"{run.name}: the kernel's source is {source}, not the locked {locked}")
    kernels = sorted({str(run.kernel.get("id")) for run in runs if run.kernel})
    if len(kernels) > 1:
        found.append(f"the runs have different kernels ({', '.join(kernels)}); the claims take them together")
    by_figure: dict[str, set[int]] = defaultdict(set)
    for point in points:
        by_figure[_figure_name(point)].add(point.seed)
    single = [name for name, seeds in by_figure.items() if len(seeds) == 1]
    if single:
        found.append(f"one seed only, so no spread is known (--repeat N gives more): {', '.join(single)}")
    # A summary from before points had a profile is of the run's only one.
    short = dict.fromkeys(
        _figure_name(point)
        for run in runs
        for point in run.points
        if (point.profile or ",".join(run.profiles)) == "quick" and point.plot == "page-size"
    )
    if short:
        found.append(f"profile quick: less data than the paper's 4 GB per page size: {', '.join(short)}")
    return found


def _set_ups(points: Sequence[PointSummary]) -> list[SetUp]:
    figures: dict[str, dict[str, None]] = defaultdict(dict)
    for point in points:
        if drawn := plain_lines(point.traits.picture).rstrip("\n"):
            figures[drawn][_figure_name(point)] = None
    return [SetUp(tuple(names), drawn) for drawn, names in figures.items()]


def _figures(
    runs: Sequence[RunFacts], points: Sequence[PointSummary], judgements: Sequence[Judgement]
) -> list[FigureEntry]:
    """One figure of all runs together, or one for each run where their points are no repeats of each other."""
    kernel = {id(point): str(run.kernel.get("id")) for run in runs for point in run.points}
    of_run = {id(point): run.name for run in runs for point in run.points}
    entries = []
    for name, title, members in figure_groups(points):
        siblings = [point for point in points if point.experiment == members[0].experiment]
        parts = [(title, members)]
        if _conflict(members, kernel):
            names = dict.fromkeys(of_run[id(point)] for point in members)
            parts = [(f"{title} ({run})", [p for p in members if of_run[id(p)] == run]) for run in names]
        for number, (heading, chosen) in enumerate(parts):
            figure = draw_figure(heading, chosen, siblings)
            if figure is None:
                continue
            mine = tuple(j for j in judgements if j.claim.figure and j.claim.figure == chosen[0].figure)
            curves, rows = _measured(chosen)
            entries.append(
                FigureEntry(
                    f"{name}-{number}" if number else name,
                    heading,
                    svg_bytes(figure),
                    _description(heading, chosen),
                    mine,
                    curves,
                    rows,
                )
            )
    return entries


def _conflict(points: Sequence[PointSummary], kernel: Mapping[int, str]) -> bool:
    """Whether points that would be drawn as repeats are none: other settings, profile or kernel, or the same twice."""
    seen: dict[tuple[object, ...], set[str]] = defaultdict(set)
    ids = set()
    for point in points:
        if point.id in ids:
            return True
        ids.add(point.id)
        settings = json.dumps(dict(point.parameters), sort_keys=True, default=str)
        curve = (point.variant, point.condition, point.protocol, point.clock, point.object_bytes)
        seen[curve].add(f"{kernel[id(point)]} {point.profile} {settings}")
    return any(len(each) > 1 for each in seen.values())


def _measured(points: Sequence[PointSummary]) -> tuple[tuple[str, ...], tuple[MeasuredRow, ...]]:
    curves = tuple(dict.fromkeys(curve_name(point) for point in points))
    rows = []
    for size in sorted({point.object_bytes for point in points}):
        cells = []
        for curve in curves:
            mine = [p for p in points if (curve_name(p), p.object_bytes) == (curve, size) and p.valid]
            rates = [p.goodput_bps / 1e6 for p in mine if p.goodput_bps is not None]
            shares = [p.director_bypass_share * 100 for p in mine if p.director_bypass_share is not None]
            cells.append((fmean(rates) if rates else None, fmean(shares) if shares else None))
        rows.append(MeasuredRow(size / 1000, tuple(cells)))
    return curves, tuple(rows)


def _description(title: str, points: Sequence[PointSummary]) -> str:
    """The figure in words, for those who cannot see it."""
    what = {
        "page-size": "transfer rate and requests per second against the page size",
        "timeline": "link utilisation and RSTs per second over time",
        "ablation": "schemes side by side",
    }.get(points[0].plot, "values")
    parts = []
    for curve in dict.fromkeys(curve_name(point) for point in points):
        rates = [p.goodput_bps / 1e6 for p in points if curve_name(p) == curve and p.goodput_bps is not None]
        if rates:
            parts.append(f"{curve} {min(rates):.1f} to {max(rates):.1f} Mbit/s")
    return f"{title}: {what}. {'; '.join(parts)}".strip()


def _environment(run: RunFacts) -> Environment:
    kernel, host, tools = run.kernel, run.manifest.get("host"), run.manifest.get("tools")
    listed = kernel.get("patches")
    patches = [
        str(patch.get("name")) for patch in (listed if isinstance(listed, list) else ()) if isinstance(patch, dict)
    ]
    rows = [
        ("Kernel", f"{kernel.get('release', 'unknown')} ({kernel.get('flavour', '?')}), build {kernel.get('id', '?')}"),
        ("Kernel source", str(kernel.get("source", "unknown"))),
        ("Patches", "\n".join(patches) or "none"),
        ("Compiler", str(kernel.get("compiler", "unknown"))),
        ("Toolkit", str(run.manifest.get("toolkit", "unknown"))),
        ("Lab", str(run.manifest.get("lab", "unknown"))),
        ("Host", ", ".join(f"{name} {value}" for name, value in host.items()) if isinstance(host, dict) else "unknown"),
        ("Tools", "\n".join(f"{name} {value}" for name, value in tools.items()) if isinstance(tools, dict) else "?"),
        ("Profile", ", ".join(run.profiles) or "unknown"),
        ("Seeds", ", ".join(map(str, run.seeds))),
        ("Points", f"{len(run.points)}, of which {sum(not p.valid for p in run.points)} invalid"),
        ("Started", str(run.manifest.get("started_at", "unknown"))),
        ("Finished", str(run.manifest.get("finished_at") or "not finished")),
    ]
    return Environment(run.name, tuple(rows))


def _repetition(run: RunFacts) -> Repetition:
    commands = []
    if run.command:
        commands.append(shlex.join(run.command))
    if run.digests:
        commands.append(shlex.join(["testbed", "verify", str(run.directory)]))
    kept = [
        Digests(d.point, d.seed, d.kernel, {n: h for n, h in d.files.items() if n.endswith(_MEASUREMENTS)})
        for d in run.digests
    ]
    return Repetition(run.name, tuple(commands), tuple(kept))


def _figure_name(point: PointSummary) -> str:
    return f"Fig. {point.figure}" if point.figure else point.experiment or "unknown experiment"
