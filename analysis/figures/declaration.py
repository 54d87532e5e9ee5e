"""What a figure is: its name, what it is drawn from and how large, and the one signature that all painters have.

A figure is one module that says `FIGURE = Figure(...)`: of this package, of an installed one (entry point
`testbed.figures`), or a user's own file. `analysis.figures.registry` finds them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, get_args

import pyarrow as pa
from matplotlib.figure import Figure as Canvas

from analysis.summary.model import PointSummary
from analysis.tables import TABLES

Tables = Mapping[str, pa.Table]
Row = dict[str, Any]
Scope = Literal["experiment", "run", "point", "connection"]

_NAME = re.compile(r"[a-z][a-z0-9-]{0,59}\Z")
_LARGEST_INCHES = 100.0


@dataclass(frozen=True, eq=False)
class Data:
    """What one figure is drawn from.

    `points` are rows of the table `points`, `summaries` what summary.json says of the same points (none for captures
    that are no point, and none of the rows where a run has no tables). `siblings` are the summaries of all points of
    the experiment, for axes and looks that its figures share. `tables` are those that the figure declares. Of one
    connection: `connection` is its number, and `packets` the table of its packets.
    """

    tables: Tables = field(default_factory=dict)
    points: Sequence[Row] = ()
    summaries: Sequence[PointSummary] = ()
    siblings: Sequence[PointSummary] = ()
    connection: int | None = None
    packets: pa.Table | None = None


Painter = Callable[[Canvas, Data], bool]
"""Draws on an empty canvas of matplotlib, which it may make higher; False where there is nothing to draw."""


def always(_points: Sequence[Row]) -> bool:
    """Of all points."""
    return True


@dataclass(frozen=True, eq=False)
class Figure:
    """A kind of figure.

    `scope` says what one drawing shows: an *experiment* (all points of a condition whose `plot` names this figure, or
    of all conditions `together`), a *run* (all points of a condition, of any experiment; unasked, not of experiments
    that have their conditions together), a *point*, or a *connection* of a point. `title` is put
    behind the name of what is shown, `description` says it to those who cannot see it. `tables` names the tables that
    it reads; with `waits` the summaries of the points that name it list their connections' waits. `unasked` tells by
    the rows of the table `points` whether `testbed run` and `testbed analyze` draw a run's figure of these. `inches`
    are width and height. `source` is whose it is: empty for the toolkit's own.

    Raises ValueError for a declaration that cannot be, in words for its author.
    """

    name: str
    title: str
    scope: Scope
    draw: Painter
    _: KW_ONLY
    description: str = ""
    tables: tuple[str, ...] = ()
    waits: bool = False
    together: bool = False
    unasked: Callable[[Sequence[Row]], bool] = always
    inches: tuple[float, float] = (7.2, 4.2)
    source: str = ""

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and _NAME.match(self.name)):
            raise ValueError(f"name {self.name!r}: lower-case letters, digits and -, 60 at most, a letter first")
        if self.scope not in get_args(Scope):
            raise ValueError(f"scope {self.scope!r}: one of {', '.join(get_args(Scope))}")
        if not (isinstance(self.title, str) and isinstance(self.description, str)):
            raise ValueError("title and description are texts")
        # A single text is a tuple of its letters, none of which is a table either.
        if unknown := [name for name in self.tables if name not in TABLES]:
            raise ValueError(f"tables: no table {unknown[0]!r}; a tuple of names among {', '.join(TABLES)}")
        if not (len(self.inches) == 2 and all(0 < each <= _LARGEST_INCHES for each in self.inches)):
            raise ValueError(f"inches {self.inches!r}: width and height, at most {_LARGEST_INCHES:g} each")
        for what, function, count in (("draw", self.draw, 2), ("unasked", self.unasked, 1)):
            if not _takes(function, count):
                arguments = "(canvas, data)" if what == "draw" else "(points)"
                raise ValueError(f"{what}: not a function of {arguments}")


def _takes(function: object, count: int) -> bool:
    """Whether it can be called with so many arguments in their order."""
    if not callable(function):
        return False
    try:
        inspect.signature(function).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True
