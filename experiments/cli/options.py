"""Options that several commands take: which lab, or labs, which clock, which settings, which Linux."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from experiments.cli import completion
from testbed.kernel import release as releases
from testbed.kernel.release import DEFAULT, RELEASES
from testbed.labs import catalog
from testbed.labs.catalog import LabSpec


class NumberRange(click.FloatRange):
    """A number between bounds. What is no number (`nan`) is neither below nor above any, and refused as well."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number that a text says."""
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value} is not a number", param, ctx)
        return found


_FIGURES = {"lb": "7", "load-balancer": "7", "anycast": "14"}


def experiment_of(name: str) -> str:
    """The experiment that a name stands for: of one of the paper's two set-ups its figure, else the name itself."""
    return _FIGURES.get(name, name)


def _usage() -> str:
    return ", ".join(kind.usage for kind in catalog.KINDS.values())


def _one(_context: click.Context, _parameter: click.Parameter, text: str) -> LabSpec:
    return catalog.parse(text)


def _several(_context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> list[LabSpec]:
    return catalog.parse_all(texts)


lab_option = click.option(
    "--lab",
    default=catalog.DEFAULT,
    show_default=True,
    metavar="LAB",
    callback=_one,
    help=f"Where it runs: {_usage()}.",
)
labs_option = click.option(
    "--lab",
    "labs",
    multiple=True,
    metavar="LAB",
    callback=_several,
    help=f"Where it runs: {_usage()}. May be given several times: the labs share the points."
    f"  [default: {catalog.DEFAULT}]",
)
kernel_option = click.option(
    "--kernel",
    metavar=f"{'|'.join(RELEASES)}|ID",
    help=f"The lab kernel: a release, or a build of `testbed kernel status`.  [default: {DEFAULT.name}]",
)
release_option = click.option(
    "--release",
    type=click.Choice(list(RELEASES)),
    default=DEFAULT.name,
    show_default=True,
    callback=lambda _context, _option, name: releases.parse(name),
    help="Which Linux: each has a series of its own. A tree of your own (--source) gets the nearest one's.",
)
clock_option = click.option(
    "--clock", type=click.Choice(["virtual", "real"]), help="The points' clock, whatever the experiment's file says."
)
scheme_option = click.option(
    "--scheme", "schemes", multiple=True, metavar="NAME|all", shell_complete=completion.schemes,
    help="What MPTCP is measured with (testbed list --schemes). May be repeated.  [default: an experiment's first]",
)  # fmt: skip
scheme_files = click.option(
    "--schemes", "scheme_files", multiple=True, metavar="FILE.toml", type=click.Path(path_type=Path),
    help="Schemes of your own, for --scheme. May be repeated.",
)  # fmt: skip
set_option = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting.")
