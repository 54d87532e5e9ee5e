"""The figures of the experiments in a report: drawing, description, claims and measured values of each."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from statistics import fmean

from analysis.claims import Judgement
from analysis.figures import sweep
from analysis.figures.declaration import Figure
from analysis.figures.drawing import Drawing, FigureFailed
from analysis.figures.gallery import of_experiments
from analysis.figures.registry import Registry
from analysis.figures.selection import points as points_of
from analysis.report.pictures import Pictures
from analysis.report.run_facts import RunFacts
from analysis.summary.curves import Namer, arm_namer, curves, namer
from analysis.summary.explanations import head_of_line_in_words, reset_reasons_in_words
from analysis.summary.model import PointSummary
from analysis.tables import read_table
from testbed.base.errors import AnalysisError


@dataclass(frozen=True)
class MeasuredRow:
    """One row of a figure's table: an object size and, by curve, mean goodput (Mbit/s) and bypass share (%).

    `condition` is whose row it is in a figure of several conditions, None in others.
    """

    object_kb: float
    cells: tuple[tuple[float | None, float | None], ...]
    condition: str | None = None


@dataclass(frozen=True)
class FigureEntry:
    """A figure: its drawing (SVG), what it shows in words, its claims, its measured values, what of its settings is not
    the paper's, and what the packets say of it.
    """

    name: str
    title: str
    svg: bytes
    description: str
    judgements: tuple[Judgement, ...]
    curves: tuple[str, ...]
    rows: tuple[MeasuredRow, ...]
    remarks: tuple[str, ...]
    explanations: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExperimentFigures:
    """All figures of the experiments, and a line on each that could not be drawn."""

    entries: tuple[FigureEntry, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class ExperimentDrawings:
    """What is to be drawn of one figure, by run if there are several, and a line on each run that cannot be read."""

    parts: Sequence[Drawing]
    problems: tuple[str, ...]


def plan_experiments(runs: Sequence[RunFacts], registry: Registry) -> list[ExperimentDrawings]:
    """One drawing of all runs together, or one for each run where their points are no repeats of each other.

    A figure that reads tables is one for each run as well.
    """
    points = [point for run in runs for point in run.points]
    kernel = {id(point): run.kernel_of(point) for run in runs for point in run.points}
    planned = []
    for drawing in of_experiments(registry, points):
        parts, problems = [drawing], list[str]()
        if drawing.figure.tables or _conflict(drawing.data.summaries, kernel):
            parts = _by_run(drawing, runs, problems)
        planned.append(ExperimentDrawings(parts, tuple(problems)))
    return planned


def draw_experiments(
    planned: Sequence[ExperimentDrawings], pictures: Pictures, judgements: Sequence[Judgement]
) -> ExperimentFigures:
    """The figures of the experiments, of pictures that have them."""
    entries: list[FigureEntry] = []
    problems: list[str] = []
    for each in planned:
        problems += each.problems
        for number, part in enumerate(each.parts):
            try:
                svg = pictures.of(part)
            except FigureFailed as error:
                problems.append(f"{part.title}: {error}")
                continue
            if svg is None:
                continue
            chosen = part.data.summaries
            curve_name = (arm_namer if part.figure.name == sweep.FIGURE.name else namer)(part.data.siblings)
            names, rows = _measured(chosen, curve_name)
            entries.append(
                FigureEntry(
                    name=f"{part.name}-{number}" if number else part.name,
                    title=part.title,
                    svg=svg,
                    description=_description(part.figure, part.title, chosen, curve_name),
                    judgements=tuple(j for j in judgements if j.claim.figure and j.claim.figure == chosen[0].figure),
                    curves=names,
                    rows=rows,
                    remarks=tuple(_remarks(chosen)),
                    explanations=tuple(_explanations(chosen, curve_name)),
                )
            )
    return ExperimentFigures(tuple(entries), tuple(problems))


def _by_run(drawing: Drawing, runs: Sequence[RunFacts], problems: list[str]) -> list[Drawing]:
    """The drawing of each run by itself, with the run's tables if the figure reads any."""
    found = []
    for run in runs:
        own = {id(point) for point in run.points}
        chosen = [point for point in drawing.data.summaries if id(point) in own]
        if not chosen:
            continue
        title, data = f"{drawing.title} ({run.name})", replace(drawing.data, summaries=chosen)
        if drawing.figure.tables:
            try:
                tables = {name: read_table(run.directory, name) for name in ("points", *drawing.figure.tables)}
            except AnalysisError as error:
                problems.append(f"{title}: {error}")
                continue
            ids = {point.id for point in chosen}
            data = replace(data, tables=tables, points=[row for row in points_of(tables) if row["point"] in ids])
        found.append(replace(drawing, title=title, data=data))
    return found


def _conflict(points: Sequence[PointSummary], kernel: Mapping[int, str]) -> bool:
    """Whether points that would be drawn as repeats are none: other settings, profile or kernel, or the same twice."""
    seen: dict[tuple[object, ...], set[str]] = defaultdict(set)
    ids = set()
    for point in points:
        if (key := (point.id, point.kernel)) in ids:
            return True
        ids.add(key)
        settings = json.dumps(dict(point.parameters), sort_keys=True, default=str)
        curve = (point.variant, point.condition, point.protocol, point.clock, point.kernel, point.object_bytes)
        seen[curve].add(f"{kernel[id(point)]} {point.profile} {settings}")
    return any(len(each) > 1 for each in seen.values())


def _measured(points: Sequence[PointSummary], curve_name: Namer) -> tuple[tuple[str, ...], tuple[MeasuredRow, ...]]:
    """The curves and a row for each condition and object size; none of a sweep, whose points are no repeats."""
    if len({json.dumps(dict(point.sweep), sort_keys=True, default=str) for point in points}) > 1:
        return (), ()
    names = tuple(curves(points, curve_name))
    conditions = dict.fromkeys(point.condition for point in points)
    rows = []
    for condition, size in product(conditions, sorted({point.object_bytes for point in points})):
        alike = [p for p in points if (p.condition, p.object_bytes) == (condition, size)]
        if not alike:
            continue
        cells = []
        for curve in names:
            mine = [p for p in alike if curve_name(p) == curve and p.valid]
            rates = [p.goodput_bps / 1e6 for p in mine if p.goodput_bps is not None]
            shares = [p.director_bypass_share * 100 for p in mine if p.director_bypass_share is not None]
            cells.append((fmean(rates) if rates else None, fmean(shares) if shares else None))
        rows.append(MeasuredRow(size / 1000, tuple(cells), condition if len(conditions) > 1 else None))
    return names, tuple(rows)


def _remarks(points: Sequence[PointSummary]) -> list[str]:
    """What of the points' settings is not the paper's, and acts on how the packets travel."""
    found = {}
    for point in points:
        if point.parameters.get("large_reads") is True:
            found["ab reads 64 KB at a time (workload.large_reads), by a preloaded library, where it asks for 8 KB"] = 1
        if point.shared_boot:
            found["guests share boots (--shared-boot); with a boot of its own runs each point: testbed verify"] = 1
        sysctls = point.parameters.get("sysctl")
        for name, value in sorted(sysctls.items()) if isinstance(sysctls, Mapping) else ():
            found[f"{name} = {value} at client and servers"] = 1
    return list(found)


def _explanations(points: Sequence[PointSummary], curve_name: Namer) -> list[str]:
    """What the packets say of each curve: of its largest pages what bytes waited for, and why RSTs were sent."""
    found = []
    for curve in curves(points, curve_name):
        mine = [point for point in points if curve_name(point) == curve and point.valid]
        waiting = [each for each in mine if each.head_of_line and each.traits.ends_by == "requests"]
        if waiting:
            point = max(waiting, key=lambda each: each.object_bytes)
            size = f"{point.object_bytes / 1000:g} KB" if len({each.object_bytes for each in points}) > 1 else ""
            words = head_of_line_in_words(point.head_of_line, point.traits.service_path) if point.head_of_line else ""
            found.append(f"{', '.join(filter(None, (curve, size)))}: {words}")
        found += [f"{curve}: {line}" for point in mine for line in reset_reasons_in_words(point.reset_reasons)]
    return found


def _description(figure: Figure, title: str, points: Sequence[PointSummary], curve_name: Namer) -> str:
    """The figure in words, for those who cannot see it."""
    parts = []
    for curve in curves(points, curve_name):
        rates = [
            p.goodput_bps / 1e6 for p in points if curve_name(p) == curve and p.valid and p.goodput_bps is not None
        ]
        if rates:
            parts.append(f"{curve} {min(rates):.1f} to {max(rates):.1f} Mbit/s")
    return f"{title}: {figure.description or figure.title}. {'; '.join(parts)}".strip()
