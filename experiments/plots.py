"""`plot` of an experiment's file: the name of a figure, or a file with a user's own.

Figures are drawn by the analysis, which takes a second to import: whether a name is one is looked up among its modules,
and nothing is loaded but a user's own file.
"""

from __future__ import annotations

import importlib.util
import pkgutil
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from experiments.document import Document
from testbed.base.errors import UsageError

SWEEP = "sweep"
"""The figure of experiments that sweep settings and name no other."""

_FIGURES = "analysis.figures"
_ENTRY_POINTS = "testbed.figures"


def of(plot: str, document: Document) -> tuple[str, Path | None]:
    """The figure's name, and its file if it is a user's own; raises ConfigError (or UsageError for an option)."""
    if plot.endswith(".py"):
        path = (Path() if document.origin(("plot",)).option else document.path.parent) / plot
        from analysis.figures.registry import load_file

        try:
            return load_file(path).name, path
        except UsageError as error:
            raise document.error(("plot",), error.message, hint=error.hint) from error
    if plot and plot not in (known := _modules()):
        others = sorted(each.name for each in entry_points(group=_ENTRY_POINTS))
        if plot not in others:
            near = get_close_matches(plot, [*known, *others], 1)
            hint = f"did you mean {near[0]!r}?" if near else "see: testbed figures --list"
            raise document.error(("plot",), f"plot: no figure {plot!r}", hint=hint)
    return plot, None


@cache
def _modules() -> list[str]:
    spec = importlib.util.find_spec(_FIGURES)
    places = spec.submodule_search_locations if spec else None
    return sorted(each.name.replace("_", "-") for each in pkgutil.iter_modules(places))
