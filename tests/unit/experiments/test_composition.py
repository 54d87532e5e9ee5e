"""Parts: what a point says about itself is all that the analysis knows of them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import analysis
from experiments import plan
from experiments.composition import SCENARIOS, parts_of
from testbed.record.legacy import traits_of

POINTS = [point for name in plan.available() for point in plan.plan(plan.load(plan.find(name)))]
# The paper's claims are about the paper's set-ups; runs from before there were traits have their names only.
KNOW_NAMES = {"legacy.py"}


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.id)
def test_a_point_of_an_older_toolkit_is_read_as_one_of_today(point: plan.Point) -> None:
    old = traits_of(point.scenario, point.protocol, point.parameters)
    assert old == point.traits.model_copy(update={"picture": ""})


def test_nothing_of_the_analysis_asks_for_a_scenarios_name() -> None:
    root = Path(analysis.__file__).parent
    found = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare)
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and each.value in SCENARIOS
    }
    assert found - KNOW_NAMES == set()


def test_a_links_direction_is_lossy_for_the_whole_way_that_leads_there() -> None:
    def lossy(**changes: float) -> set[str]:
        base = {
            f"{link}_{key}": value
            for link in ("client_director", "direct", "server")
            for key, value in (("rate_bps", 10**9), ("delay_s", 0.0), ("loss", 0.0))
        }
        given = {"servers": 2, "requests": 1, "concurrency": 1, **base, **changes}
        layout = parts_of("load-balancer", given).setup.layout()
        return {"-".join(sorted(pair)) for pair in layout.lossy_links}

    through, past = {"c-d", "d-s1", "d-s2"}, {"c-w", "s1-w", "s2-w"}
    assert lossy() == set()
    assert lossy(client_director_loss=0.01) == through
    assert lossy(server_loss=0.01) == through
    assert lossy(direct_loss=0.01) == past
    assert lossy(direct_loss=0.01, server_loss=0.01) == through | past
