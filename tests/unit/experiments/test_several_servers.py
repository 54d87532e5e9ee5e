"""Figs. 6 to 11 with several servers, where the paper has one: by an option, and as conditions that are shipped."""

from __future__ import annotations

import pytest

from experiments import plan
from experiments.composition import parts_of


@pytest.mark.parametrize("figure", ["fig06", "fig07", "fig08", "fig09", "fig10", "fig11"])
def test_the_shipped_conditions_are_the_figures_links(figure: str) -> None:
    points = plan.plan(plan.load(plan.find("several-servers")))
    own = parts_of(plan.plan(plan.load(plan.find(figure)), overrides=["topology.servers=3"])[0]).topology
    number = int(figure.removeprefix("fig"))
    (three,) = [
        each
        for each in points
        if each.protocol == "tcp" and each.condition.startswith(f"Fig. {number},") and "3 servers" in each.condition
    ]
    assert parts_of(three).topology == own
    assert len(own.layout().servers) == three.traits.servers == 3


def test_each_link_meets_each_number_of_servers() -> None:
    points = plan.plan(plan.load(plan.find("several-servers")))
    assert len({each.condition for each in points}) == 12
    assert {each.traits.servers for each in points} == {1, 3}
