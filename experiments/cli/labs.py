"""`--lab`: which lab, or labs, a command uses; the specs are read once, here, for every command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import click

from experiments.cli.output import tell
from testbed.base.errors import UsageError
from testbed.labs import catalog
from testbed.labs.base import Clock
from testbed.labs.catalog import LabOptions, LabSpec
from testbed.runs.scheduler import Place


def _usage() -> str:
    return "|".join(kind.usage for kind in catalog.KINDS.values())


def _one(_context: click.Context, _parameter: click.Parameter, text: str) -> LabSpec:
    return catalog.parse(text)


def _several(_context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> list[LabSpec]:
    return catalog.parse_all(texts)


lab_option = click.option(
    "--lab", default=catalog.DEFAULT, show_default=True, metavar=_usage(), callback=_one, help="Where it runs."
)
labs_option = click.option(
    "--lab",
    "labs",
    multiple=True,
    metavar=_usage(),
    callback=_several,
    help=f"Where it runs; may be given several times: the labs share the points.  [default: {catalog.DEFAULT}]",
)
clock_option = click.option(
    "--clock", type=click.Choice(["virtual", "real"]), help="The points' clock, whatever the experiment's file says."
)


def clocks_of(labs: Sequence[LabSpec], chosen: Clock | None = None) -> tuple[Clock, ...]:
    """The clocks that points may have in one of the labs, the usual one first; only the chosen one, if any.

    Raises `UsageError` for a chosen one that no lab has.
    """
    clocks = tuple(dict.fromkeys(clock for lab in labs for clock in lab.clocks))
    if chosen is None:
        return clocks
    if chosen not in clocks:
        names = ", ".join(map(str, labs))
        raise UsageError(f"--clock {chosen}: the lab has no {chosen} clock: {names}", hint=f"it has: {clocks[0]}")
    return (chosen,)


def say(what: str) -> None:
    """Tell the user of something that takes long, beside the output."""
    tell(f"testbed: {what}")


@contextmanager
def open_places(labs: Sequence[LabSpec], jobs: int | None, options: LabOptions = LabOptions()) -> Iterator[list[Place]]:  # noqa: B008
    """The labs, open, with `jobs` points at a time in each (None: as many as suits the lab)."""
    with ExitStack() as stack:
        opened = [stack.enter_context(catalog.open_lab(lab, replace(options, report=say))) for lab in labs]
        yield [Place(lab, jobs or lab.width) for lab in opened]
