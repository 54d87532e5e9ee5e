"""`testbed list` and `testbed show`: which experiments there are, and a topology as a picture."""

from __future__ import annotations

import click

from experiments import plan as planning
from experiments.cli import output
from experiments.cli.options import experiment_of, set_option


@click.command("list", short_help="List the experiments.")
def list_command() -> None:
    """List the experiments, with the number of points in each profile."""
    rows = [("name", "figure", "topology", "director", "points", "title")]
    for name in planning.available():
        experiment = planning.load(planning.find(name))
        counts = [f"{len(planning.plan(experiment, profile))} {profile}" for profile in experiment.profiles]
        base = experiment.base
        parts = (base.topology.part, base.director.part)
        rows.append((name, experiment.figure, *parts, ", ".join(counts), experiment.title))
    output.show(output.columns(rows))


@click.command(short_help="Draw the topology of an experiment.")
@click.argument("name")
@click.option("--profile", default=planning.DEFAULT_PROFILE, show_default=True)
@set_option
def show(name: str, profile: str, overrides: tuple[str, ...]) -> None:
    """Draw the topology of NAME: lb, anycast, a figure or an experiment file."""
    experiment = planning.load(planning.find(experiment_of(name)))
    point = planning.plan(experiment, profile, overrides=overrides)[0]
    output.show(point.traits.picture.rstrip("\n"))
