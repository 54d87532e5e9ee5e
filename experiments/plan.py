"""From the name of an experiment to its list of points.

In: a figure's number, an experiment's name or a file, a profile, seeds and `--set` overrides. Out:
points, each with all the numbers that the agent needs inside a lab. Nothing is run here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments import sysctls
from experiments.composition import Parts
from experiments.cost import disk_bytes, estimate, transfer_s, virtual_limit_s, wall_limit_s
from experiments.plots import SWEEP
from experiments.profiles import DEFAULT_PROFILE, Experiment, load
from experiments.schemes import BUILT_IN
from experiments.validation import Valid
from experiments.values import Clock, Protocol
from experiments.variants import Case
from testbed.base import own_code
from testbed.base.errors import UsageError
from testbed.record.point import Drop, Point, Trace

__all__ = [
    "DEFAULT_PROFILE",
    "Experiment",
    "Point",
    "available",
    "disk_bytes",
    "estimate",
    "find",
    "load",
    "plan",
    "transfer_s",
    "virtual_limit_s",
    "wall_limit_s",
]

SHIPPED = Path(__file__).parent

MOST_POINTS = 10_000

_FIGURE = re.compile(r"^(?:fig(?:ure)?)?[\s.-]*0*(\d{1,6})$", re.IGNORECASE)


def available() -> list[str]:
    """The names of the experiments that come with the toolkit, in order."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml") if path != BUILT_IN)


def find(name: str) -> Path:
    """The file of an experiment given as `7`, `fig7`, `fig07`, `fig07.toml` or as a path.

    A file of that name in the current directory comes first. Raises UsageError with the nearest name.
    """
    path = Path(name)
    if path.suffix == ".toml" and _is_file(path):
        return path
    if len(path.parts) > 1:
        raise UsageError(f"no experiment file {name}")
    stem = path.stem if path.suffix == ".toml" else name
    figure = _FIGURE.match(stem)
    wanted = f"fig{int(figure.group(1)):02}" if figure else stem
    if wanted in available():
        return SHIPPED / f"{wanted}.toml"
    every = f"the experiments are: {', '.join(available())}"
    close = difflib.get_close_matches(wanted, available(), n=1)
    hint = f"did you mean {close[0]!r}?; {every}" if close else every
    raise UsageError(f"no experiment {name!r}", hint=hint)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file system takes
        return False


@dataclass(frozen=True)
class Planned:
    """Points, and the files of users' own figures that their experiments name as `plot`, each once."""

    points: list[Point]
    figures: list[Path]


def plan(
    experiment: Experiment,
    profile: str = DEFAULT_PROFILE,
    seeds: Sequence[int] = (1,),
    overrides: Sequence[str] = (),
    clocks: Sequence[Clock] = ("virtual", "real"),
    schemes: Sequence[str] = (),
    real_seeds: Sequence[int] | None = None,
) -> list[Point]:
    """The points of an experiment, ordered by seed, clock, condition, variant or scheme, protocol and object size.

    `clocks` are those that can be had. A point has each clock of the experiment's file that is among them; where
    none is, it has the first of them: what is told in virtual time can also be run in a lab that has real time only.

    MPTCP has the schemes of these names (`experiments.schemes.chosen`), or the first that the file offers. Points in
    real time have `real_seeds` (None: the same seeds as the others).

    The seed comes first so that a run which is interrupted has whole figures. Raises UsageError
    for a profile, an override or a scheme that does not exist or cannot be, and for a bad list of seeds.
    """
    return plan_with_figures(experiment, profile, seeds, overrides, clocks, schemes, real_seeds).points


def plan_with_figures(
    experiment: Experiment,
    profile: str = DEFAULT_PROFILE,
    seeds: Sequence[int] = (1,),
    overrides: Sequence[str] = (),
    clocks: Sequence[Clock] = ("virtual", "real"),
    schemes: Sequence[str] = (),
    real_seeds: Sequence[int] | None = None,
) -> Planned:
    """As `plan`, with the figures that the points want and the toolkit does not have."""
    if not clocks:
        raise UsageError("clocks: none: give at least one", hint='("virtual", "real")')
    found = experiment.settings(profile, overrides, schemes)
    sizes = {id(valid): _sizes(valid) for _, valid in found}
    per_seed = sum(len(case.protocols(valid.settings.protocols)) * len(sizes[id(valid)]) for case, valid in found)
    by_clock: dict[Clock, Sequence[int]] = {"virtual": seeds, "real": seeds if real_seeds is None else real_seeds}
    for its_seeds in (seeds,) if real_seeds is None else (seeds, real_seeds):
        _check_count(per_seed * len(its_seeds))  # before any look at each of them: a range has as many as it likes
        _check_seeds(found, its_seeds)

    def of(valid: Valid) -> tuple[Clock, ...]:
        return tuple(clock for clock in valid.settings.clocks if clock in clocks) or (clocks[0],)

    points = [
        _point(valid, case, profile, _Axes(protocol, clock, object_bytes, seed))
        for seed in dict.fromkeys([*seeds, *by_clock["real"]])
        for clock in dict.fromkeys(clock for _, valid in found for clock in of(valid))
        if seed in by_clock[clock]
        for case, valid in found
        if clock in of(valid)
        for protocol in case.protocols(valid.settings.protocols)
        for object_bytes in sizes[id(valid)]
    ]
    return Planned(points, list(dict.fromkeys(valid.own_figure for _, valid in found if valid.own_figure)))


def size_label(size_bytes: int) -> str:
    """An object size for an id, exact and without a blank: `10KB`, `10000KB`, `100MB`, `1500B`."""
    if size_bytes % 10**6 == 0 and size_bytes > 10**7:
        return f"{size_bytes // 10**6}MB"
    return f"{size_bytes // 10**3}KB" if size_bytes % 10**3 == 0 else f"{size_bytes}B"


@dataclass(frozen=True)
class _Axes:
    """What tells the points of one case apart."""

    protocol: Protocol
    clock: Clock
    object_bytes: int
    seed: int


def _sizes(valid: Valid) -> tuple[int, ...]:
    """The sizes in bytes of a workload's objects; raises UsageError for what is none, of a user's own workload."""
    with own_code.explained(tuple(valid.codes.values())):
        found = tuple(valid.settings.workload.object_sizes)
        if not found or len(set(found)) != len(found) or not all(type(each) is int and each > 0 for each in found):
            raise ValueError(f"object_sizes is {found!r}: sizes in bytes, at least one, none twice")
        return found


def _check_count(points: int) -> None:
    """Raise UsageError for more points than there can be."""
    if points > MOST_POINTS:
        what = f"{points} points are more than {MOST_POINTS}"
        raise UsageError(what, hint="fewer seeds (--repeat), sizes or variants")


def _check_seeds(found: Sequence[tuple[Case, Valid]], seeds: Sequence[int]) -> None:
    """Raise UsageError for seeds that are none, or of which there are none."""
    if any(type(seed) is not int for seed in seeds):
        raise UsageError(f"seeds {list(seeds)}: a seed is a whole number")
    if len(seeds):
        _check_largest_seed(found, max(seeds))
    if not seeds or min(seeds) < 0 or len(set(seeds)) != len(seeds):
        raise UsageError(f"seeds {list(seeds)}: give at least one, none twice, none below zero")


def _check_largest_seed(found: Sequence[tuple[Case, Valid]], largest: int) -> None:
    """Raise UsageError for a seed that is larger than one can be."""
    for _, valid in found:
        with own_code.explained(tuple(valid.codes.values())):
            bounds = (valid.settings.director.largest_seed, valid.settings.topology.largest_seed)
            most, what = min(each for each in bounds if each)
            too_large = largest > most
        if too_large:
            raise UsageError(f"seed {largest}: {what} takes {most} at most")


def _point(valid: Valid, case: Case, profile: str, axes: _Axes) -> Point:
    settings = valid.settings
    real = "-real" if axes.clock == "real" else ""
    topology, workload, mptcp = settings.topology, settings.workload, axes.protocol == "mptcp"
    parts = Parts(
        # What loses packets on purpose sits in the middle, never at the client's own interfaces.
        topology=topology.with_a_middle() if settings.drop or topology.middlebox else topology,
        director=settings.director,
        workload=workload.of_size(axes.object_bytes),
        timetable=settings.timetable,
        protection=settings.protection,
        codes=valid.codes,
    )
    announces = mptcp and settings.mptcp.add_addr and topology.can_join
    past_director = announces and not settings.director.carries_joins
    with parts.explained():
        return Point(
            id=f"{settings.name}{case.label}-{axes.protocol}-{size_label(axes.object_bytes)}{real}-seed{axes.seed}",
            experiment=settings.name,
            figure=settings.figure,
            title=settings.title,
            plot=SWEEP if case.sample and not settings.plot else valid.plot,
            parts=parts.records(),
            scheme=case.whole_scheme,
            variant=case.arm,
            condition=case.condition,
            conditions={each.axis: each.name for each in case.conditions if each.axis},
            sweep=case.sample.plain() if case.sample else {},
            protocol=axes.protocol,
            object_bytes=axes.object_bytes,
            seed=axes.seed,
            profile=profile,
            clock=axes.clock,
            mptcp=settings.mptcp.plain(),
            drop=Drop.model_validate(settings.drop.plain()) if settings.drop else None,
            sysctl=sysctls.of_hosts(settings),
            sysctl_of=sysctls.of_roles(settings),
            director_statistics=settings.director_statistics,
            capture=settings.capture.keep if settings.capture else "headers",
            trace=Trace.model_validate(settings.trace.plain()) if settings.trace else None,
            wire_limit_bps=parts.bulk_wire_limit_bps(mptcp=mptcp, past_director=past_director),
            traits=parts.traits(
                mptcp=mptcp,
                past_director=past_director,
                # Of a variant, and of packets that are lost on purpose, the joins are the result.
                must_join=mptcp
                and topology.can_join
                and not case.variant
                and not settings.drop
                and (announces or not case.scheme),
                fullmesh=mptcp and settings.mptcp.client_endpoint == "fullmesh",
            ),
        )
