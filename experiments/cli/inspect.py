"""`testbed list` and `testbed show`: which experiments and parts there are, and a topology as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from experiments import catalog
from experiments import plan as planning
from experiments import schemes as known_schemes
from experiments.cli import completion, output
from experiments.cli.given import require_not_given
from experiments.cli.options import experiment_of, set_option
from experiments.cli.own_options import more_parts


@click.command("list")
@click.option(
    "--parts", is_flag=True, help="What experiments are made of, instead: kind, name, where from, what it is."
)
@click.option("--schemes", is_flag=True, help="What MPTCP can be measured with, instead: name, settings, what it is.")
@more_parts
@click.pass_context
def list_command(context: click.Context, parts: bool, schemes: bool, own: tuple[Path, ...]) -> None:
    """List the experiments, with the number of points in each profile; or the parts, or the schemes."""
    if schemes:
        require_not_given(context, ("parts", "own"), "--schemes lists schemes alone")
        _list_schemes()
        return
    if parts or own:
        _list_parts(own)
        return
    rows = [("name", "figure", "topology", "director", "points", "title")]
    for name in planning.available():
        experiment = planning.load(planning.find(name))
        counts = [f"{len(planning.plan(experiment, profile))} {profile}" for profile in experiment.profiles]
        base = experiment.base
        rows.append(
            (name, experiment.figure, base.topology.part, base.director.part, ", ".join(counts), experiment.title)
        )
    output.show(output.columns(rows))


def _list_schemes() -> None:
    rows = [("name", "called", "settings", "what it is")]
    for scheme in known_schemes.built_in().values():
        rows.append((scheme.name, scheme.label, ", ".join(scheme.settings), scheme.description))
    output.show(output.columns(rows))


def _list_parts(own: Sequence[Path]) -> None:
    found = catalog.everything(own)
    rows = [("kind", "name", "from", "what it is")]
    rows += [(each.kind, each.name, each.origin, each.summary) for each in found.entries]
    output.show(output.columns(rows))
    output.warn(found.problems)


@click.command()
@click.argument("name", shell_complete=completion.set_ups)
@click.option("--profile", default=planning.DEFAULT_PROFILE, show_default=True)
@set_option
def show(name: str, profile: str, overrides: tuple[str, ...]) -> None:
    """Draw the topology of NAME: lb, anycast, a figure or an experiment file."""
    experiment = planning.load(planning.find(experiment_of(name)))
    point = planning.plan(experiment, profile, overrides=overrides)[0]
    output.show(point.traits.picture.rstrip("\n"))
