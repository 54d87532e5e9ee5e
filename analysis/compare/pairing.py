"""Which points of two runs belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.summary.of_run import point_directories
from testbed.base.errors import AnalysisError
from testbed.record.point import Point, read_point

_Key = Callable[[Point], Hashable]


@dataclass(frozen=True)
class Pairs:
    """Raw directories that belong together, and those that are alone in their run."""

    common: tuple[tuple[Path, Path], ...]
    only_ours: tuple[Path, ...]
    only_theirs: tuple[Path, ...]


def pair_points(ours: Path, theirs: Path) -> Pairs:
    """Pair two runs, two raw directories of points, or one of each.

    Points belong together if they have the same experiment, condition, variant, protocol, size, clock and seed;
    where no two have, the seed may differ, as long as it is clear which is meant. Two directories of points
    always belong together. Raises AnalysisError for a directory that is neither.
    """
    left, right = _points(ours), _points(theirs)
    if [path for path, _ in left] == [ours] and [path for path, _ in right] == [theirs]:
        return Pairs(((ours, theirs),), (), ())
    pairs = _match(left, right, lambda point: (_what(point), point.seed)) or _match(left, right, _what)
    mine, its = {one for one, _ in pairs}, {other for _, other in pairs}
    return Pairs(
        tuple(pairs),
        tuple(path for path, _ in left if path not in mine),
        tuple(path for path, _ in right if path not in its),
    )


def _points(directory: Path) -> list[tuple[Path, Point]]:
    if (directory / "point.json").is_file():
        return [(directory, _point(directory))]
    if not (directory / "run.json").is_file():
        raise AnalysisError(f"{directory}: neither a run (run.json) nor a point's directory (point.json)")
    found = [(path, _point(path)) for path in point_directories(directory)]
    if not found:
        raise AnalysisError(f"{directory}: the run has no finished point")
    return found


def _point(directory: Path) -> Point:
    try:
        return read_point(directory)
    except AnalysisError as error:  # it names the file alone, and there are two runs with many of them
        raise AnalysisError(f"{directory}: {error}") from error


def _what(point: Point) -> Hashable:
    return point.experiment, point.condition, point.variant, point.protocol, point.object_bytes, point.clock


def _match(
    left: Sequence[tuple[Path, Point]], right: Sequence[tuple[Path, Point]], key: _Key
) -> list[tuple[Path, Path]]:
    once = Counter(key(point) for _, point in left) | Counter(key(point) for _, point in right)
    other = {key(point): path for path, point in right}
    return [(path, other[key(point)]) for path, point in left if key(point) in other and once[key(point)] == 1]
