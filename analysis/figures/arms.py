"""The arms of an experiment's figure: what each curve is called and how it looks, the same in all of its figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.figures import style
from analysis.figures.declaration import Data
from analysis.summary.curves import arm_namer, curves, namer
from analysis.summary.model import PointSummary


@dataclass(frozen=True)
class Arm:
    """The points of one curve, with its name for a legend and its look."""

    name: str
    look: style.Curve
    points: tuple[PointSummary, ...]


def arms_of(data: Data, points: Sequence[PointSummary], *, over_values: bool = False) -> list[Arm]:
    """The arms of some of the data's points, in the order of their curves; the looks are those among its siblings.

    Points with other values of a sweep are other arms, unless the figure is one `over_values`.
    """
    among = data.siblings or data.summaries
    name = (arm_namer if over_values else namer)(among)
    members: dict[str, list[PointSummary]] = defaultdict(list)
    for point in points:
        members[name(point)].append(point)
    kind = {name(point): (point.protocol, point.clock) for point in among}
    looks = style.arms([(each, *kind[each]) for each in curves(among, name)])
    return [Arm(style.label(each), looks[each], tuple(members[each])) for each in curves(points, name)]
