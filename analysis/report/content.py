"""From the facts of runs to a `Report`: what the page and the terminal show, in the order of reading."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.claims import Judgement, Verdict, judge
from analysis.figures.drawing import Kept
from analysis.figures.gallery import not_at_hand
from analysis.figures.registry import Registry, load_registry
from analysis.report.details import RunDetails, draw_details, plan_details
from analysis.report.experiment_figures import FigureEntry, draw_experiments, plan_experiments
from analysis.report.pictures import Pictures
from analysis.report.run_facts import RunFacts
from analysis.report.time_lines import TimeLines, time_lines
from analysis.summary.model import PointSummary
from testbed.base.text import plain_lines
from testbed.record.ab import FILE as AB
from testbed.record.digests import Digests

# The files of a point that hold its measurement; the digests have the others, too.
_MEASUREMENTS = (".pcap", AB)


@dataclass(frozen=True)
class SetUp:
    """A topology as a picture of text, and the figures (or experiments) that ran on it."""

    figures: tuple[str, ...]
    picture: str


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
    digests: Mapping[str, Digests]


@dataclass(frozen=True)
class Report:
    """Everything that is shown.

    `judgements` are of the claims that the points are about; `elsewhere` counts those that are about others.
    """

    runs: tuple[str, ...]
    judgements: tuple[Judgement, ...]
    elsewhere: int
    warnings: tuple[str, ...]
    set_ups: tuple[SetUp, ...]
    time_lines: TimeLines
    figures: tuple[FigureEntry, ...]
    details: tuple[RunDetails, ...]
    environments: tuple[Environment, ...]
    repetitions: tuple[Repetition, ...]
    points: int

    def count(self, verdict: Verdict) -> int:
        """How many of the claims that the points are about have this verdict."""
        return sum(judgement.verdict is verdict for judgement in self.judgements)


def compile_report(
    runs: Sequence[RunFacts],
    registry: Registry | None = None,
    *,
    jobs: int = 1,
    drawn: Iterable[Kept] = (),
) -> Report:
    """The report of some runs, with the figures of a registry (None: without a user's own files).

    `jobs` processes draw the figures, this one among them, but what an analysis has `drawn` for it.
    """
    registry = registry or load_registry()
    distinct = list({run.directory.resolve(): run for run in runs}.values())
    points = [point for run in distinct for point in run.points]
    experiments = plan_experiments(distinct, registry)
    looks = [plan_details(run, registry) for run in distinct]
    drawings = [drawing for each in experiments for drawing in each.parts]
    drawings += [drawing for each in looks for drawing in each.drawings]
    with Pictures(drawings, jobs, drawn=drawn) as pictures:
        over_time = time_lines(distinct)
        every = judge(points)
        judgements = tuple(each for each in every if each.has_points)
        figures = draw_experiments(experiments, pictures, judgements)
        details = tuple(draw_details(each, pictures) for each in looks)
    problems = [*registry.problems, *not_at_hand(registry, points), *figures.problems]
    problems += [line for each in details for line in each.problems]
    return Report(
        runs=tuple(run.name for run in distinct),
        judgements=judgements,
        elsewhere=len(every) - len(judgements),
        warnings=(*_warnings(distinct, points), *problems),
        set_ups=tuple(_set_ups(points)),
        time_lines=over_time,
        figures=figures.entries,
        details=details,
        environments=tuple(_environment(run) for run in distinct),
        repetitions=tuple(_repetition(run) for run in distinct),
        points=len(points),
    )


def _warnings(runs: Sequence[RunFacts], points: Sequence[PointSummary]) -> list[str]:
    found = []
    for run in runs:
        if not run.is_complete:
            found.append(f"{run.name}: the run is not complete (state: {run.manifest.state})")
        found += [f"{run.name}: {name}: planned, but it has no result" for name in run.missing]
        for point in run.points:
            reasons = point.invalid_reasons or ("no reason given",)
            found += [f"{run.name}: {point.id}: invalid: {reason}" for reason in reasons if not point.valid]
            found += [f"{run.name}: {point.id}: {each}" for each in point.disagreements]
    for run in runs:
        for kernel in run.kernels:
            source, locked = kernel.get("source"), kernel.get("locked_source")
            if locked and source != locked:
                found.append(f"{run.name}: the kernel's source is {source}, not the locked {locked}")
    found += _different_kernels(runs)
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
        if (point.profile or ",".join(run.profiles)) == "quick" and point.figure and point.traits.ends_by == "requests"
    )
    if short:
        found.append(f"profile quick: less data than the paper's 4 GB per page size: {', '.join(short)}")
    return found


def _different_kernels(runs: Sequence[RunFacts]) -> Iterator[str]:
    """A line on each run whose points ran on several kernels, and one if the runs have not the same."""
    together = "the claims take them together"
    of_runs = [{run.kernel_of(point) for point in run.points} - {""} for run in runs]
    for run, kernels in zip(runs, of_runs, strict=True):
        if len(kernels) > 1:
            yield f"{run.name}: its points have different kernels ({', '.join(sorted(kernels))}); {together}"
    if len({frozenset(kernels) for kernels in of_runs if kernels}) > 1:
        yield f"the runs have different kernels ({', '.join(sorted(set().union(*of_runs)))}); {together}"


def _set_ups(points: Sequence[PointSummary]) -> list[SetUp]:
    figures: dict[str, dict[str, None]] = defaultdict(dict)
    for point in points:
        if drawn := plain_lines(point.traits.picture).rstrip("\n"):
            figures[drawn][_figure_name(point)] = None
    return [SetUp(tuple(names), drawn) for drawn, names in figures.items()]


def _environment(run: RunFacts) -> Environment:
    rows = [row for kernel in run.kernels or ({},) for row in _kernel_rows(kernel)]
    for name, field, between, unknown in (
        ("Toolkit", "toolkit", "", "unknown"),
        ("Lab", "lab", ", ", "unknown"),
        ("Host", "host", ", ", "unknown"),
        ("Tools", "tools", "\n", "?"),
    ):
        said = dict.fromkeys(_in_words(time.get(field), between) or unknown for time in run.times)
        rows += [(name, text) for text in said]
    rows += [
        ("Profile", ", ".join(run.profiles) or "unknown"),
        ("Seeds", ", ".join(map(str, run.seeds))),
        ("Points", f"{len(run.points)}, of which {sum(not p.valid for p in run.points)} invalid"),
        ("Started", run.manifest.started_at or "unknown"),
        ("Finished", run.manifest.finished_at or "not finished"),
    ]
    return Environment(run.name, tuple(rows))


def _kernel_rows(kernel: Mapping[str, Any]) -> list[tuple[str, str]]:
    listed = kernel.get("patches")
    patches = [
        str(patch.get("name")) for patch in (listed if isinstance(listed, list) else ()) if isinstance(patch, dict)
    ]
    return [
        ("Kernel", f"{kernel.get('release', 'unknown')} ({kernel.get('flavour', '?')}), build {kernel.get('id', '?')}"),
        ("Kernel source", str(kernel.get("source", "unknown"))),
        ("Patches", "\n".join(patches) or "none"),
        ("Compiler", str(kernel.get("compiler", "unknown"))),
    ]


def _in_words(value: object, between: str) -> str:
    """A text, a list of texts, or names with values; empty for nothing."""
    if isinstance(value, dict):
        return between.join(f"{name} {of}" for name, of in value.items())
    if isinstance(value, list | tuple):
        return between.join(map(str, value))
    return str(value or "")


def _repetition(run: RunFacts) -> Repetition:
    commands = []
    if run.command:
        commands.append(shlex.join(run.command))
    if run.digests:
        commands.append(shlex.join(["testbed", "verify", str(run.directory)]))
    kept = {
        point: found.model_copy(update={"files": {n: h for n, h in found.files.items() if n.endswith(_MEASUREMENTS)}})
        for point, found in run.digests.items()
    }
    return Repetition(run.name, tuple(commands), kept)


def _figure_name(point: PointSummary) -> str:
    return f"Fig. {point.figure}" if point.figure else point.experiment or "unknown experiment"
