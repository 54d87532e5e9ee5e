"""Which figures there are: the modules of this package, those of installed packages, and a user's own files.

A file is run only where the user names it, and never one that lies in a run's directory: that may come from anybody.
"""

from __future__ import annotations

import importlib
import pkgutil
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from importlib.metadata import entry_points
from pathlib import Path
from typing import get_args

import analysis.figures
from analysis.figures.declaration import Figure, Scope
from testbed.base import own_code
from testbed.base.errors import UsageError
from testbed.base.own_errors import BadCode

ENTRY_POINTS = "testbed.figures"
"""The group of entry points in which an installed package has its figures, such as `mine = mine.figures:FIGURE`."""

_DECLARATION = "FIGURE"


@dataclass(frozen=True)
class Registry:
    """Figures by name; `own` are those of the user's files, `problems` says in a line each what could not be had."""

    figures: Mapping[str, Figure] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def of_scope(self, *scopes: Scope) -> list[Figure]:
        """The figures of these scopes."""
        return [figure for figure in self.figures.values() if figure.scope in scopes]

    @property
    def drawn_of_waits(self) -> frozenset[str]:
        """The names of the figures that are drawn of the waits of connections."""
        return frozenset(figure.name for figure in self.figures.values() if figure.waits)

    def check(self, names: Iterable[str]) -> None:
        """Raise UsageError for the first name that no figure has."""
        for name in names:
            if name not in self.figures:
                near = get_close_matches(name, self.figures, 1)
                hint = f"did you mean {near[0]}?" if near else f"the figures are: {', '.join(self.figures)}"
                raise UsageError(f"no figure {name!r}", hint=hint)


def load_registry(files: Sequence[Path] = ()) -> Registry:
    """All figures; raises UsageError for a file that is none, or has the name of another figure.

    An installed package's figure that cannot be had stops nothing: `problems` has a line on it.
    """
    found = {figure.name: figure for figure in _built_in()}
    problems = []
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda each: (each.name, each.value)):
        source = f"entry point {entry.name} = {entry.value}"
        try:
            figure = entry.load()
        except (Exception, SystemExit) as error:  # whatever it is, the others are still to be drawn
            problems.append(f"{source}: {type(error).__name__}: {error}")
            continue
        if not isinstance(figure, Figure):
            problems.append(f"{source}: not a Figure")
        elif figure.name in found:
            problems.append(f"{source}: there is a figure {figure.name!r} already")
        else:
            found[figure.name] = replace(figure, source=source)
    own = []
    for path in files:
        figure = load_file(path)
        if figure.name in found:
            other = found[figure.name].source or "the toolkit"
            raise UsageError(f"{path}: there is a figure {figure.name!r} already, of {other}", hint="rename it")
        found[figure.name] = figure
        own.append(figure.name)
    return Registry(found, tuple(own), tuple(problems))


def load_file(path: Path) -> Figure:
    """The figure that a user's Python file declares as `FIGURE`; its `source` is the path.

    Raises UsageError, in one line with the file's name, for one that is not there, cannot be run, declares none, or
    lies in a run's directory.
    """
    try:
        module = own_code.read_own(path).load(travels=False)
    except BadCode as error:
        # What is wrong in it is told by its name alone, which is all that it has in a lab.
        folder = "" if str(error).startswith(str(path)) or path.parent == Path() else f"{path.parent}/"
        raise UsageError(f"{folder}{error}", hint=error.hint) from error
    figure = module.__dict__.get(_DECLARATION)
    if not isinstance(figure, Figure):
        what = "not a Figure" if _DECLARATION in module.__dict__ else "it is not there"
        hint = "end the file with FIGURE = Figure(...), from analysis.figures"
        raise UsageError(f"{path}: {_DECLARATION}: {what}", hint=hint)
    return replace(figure, source=str(path))


def place_in(error: BaseException, path: Path | str) -> str:
    """`file:line`: the innermost line of that file that led to the error; the file alone where none did."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{path}:{lines[-1]}" if lines else str(path)


def said(error: BaseException) -> str:
    """An exception in words: those of a wrong declaration speak for themselves."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _built_in() -> list[Figure]:
    names = sorted(each.name for each in pkgutil.iter_modules(analysis.figures.__path__))
    modules = [importlib.import_module(f"{analysis.figures.__name__}.{name}") for name in names]
    found = [getattr(module, _DECLARATION) for module in modules if hasattr(module, _DECLARATION)]
    order = get_args(Scope)
    return sorted(found, key=lambda figure: (order.index(figure.scope), figure.name))
