"""A kernel with a planted fault (the first repetition of an ADD_ADDR is lost) is found out, shrunk and reproduced.

It takes a kernel of its own, which is built once and kept: with TESTBED_TEST_COMBINATIONS=all, as in `make test-all`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from extent import in_test_all

from analysis.summary.exploration_comparison import compare
from experiments.api import exploration
from experiments.api.exploration import Exploration, Wanted, base_line, row_of, shrunk
from experiments.api.explorations import Asked, points_of
from experiments.api.exploring import Explorer
from experiments.exploration.enumeration import case_of
from testbed.kernel import build
from testbed.kernel.recipe import PATCH_FOLDER
from testbed.labs.uml import UmlLab
from testbed.record.exploration import Fault
from testbed.runs.tasks import Place

PATCH = Path(__file__).with_name("planted") / "lost-repetition.patch"
# A page that takes four seconds by the director, so that there is time for two repetitions, a second each.
SLOW = (
    'workload.sizes=["1000 KB"]',
    'topology.client_director.rate="2 Mbit/s"',
    'topology.client_director.delay="5 ms"',
)  # fmt: skip
ADD_ADDR = "ADD_ADDR 1, server to client, initial subflow"

pytestmark = in_test_all("builds a kernel: make test-all")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> UmlLab:
    """The lab with the kernel that has the fault, and otherwise our patches."""
    folder = tmp_path_factory.mktemp("patches") / "kernel-patches"
    shutil.copytree(PATCH_FOLDER, folder)
    shutil.copy(PATCH, folder / "6.12")
    with (folder / "6.12" / "series").open("a") as series:
        series.write(f"6.12/{PATCH.name}\n")
    return UmlLab(build.build(folder=folder).image)


@pytest.fixture(scope="module")
def explorers(lab: UmlLab, planted: UmlLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Explorer]]:
    (point,) = points_of(Asked("fig07", overrides=SLOW, schemes=("upstream",)))
    out = tmp_path_factory.mktemp("explorations")
    yield [
        Explorer(point, [Place(each, 1)], out / str(number), bound_s=30.0) for number, each in enumerate((lab, planted))
    ]


@pytest.fixture(scope="module")
def explored(explorers: list[Explorer]) -> list[Exploration]:
    wanted = Wanted(whats=("lost",), numbers=range(1, 13), repeat=0)
    return [exploration.explore(each, wanted) for each in explorers]


def test_the_fault_is_what_differs_from_the_kernel_without_it(explored: list[Exploration]) -> None:
    differing = [row for row in compare(*(each.rows for each in explored)) if row["verdict"] != "the same"]
    assert [(row["what"], row["verdict"]) for row in differing] == [(ADD_ADDR, "worse")]
    assert differing[0]["join_second_s"] - differing[0]["join_first_s"] == pytest.approx(1.0, abs=0.1)


def test_it_is_shrunk_to_the_one_packet_that_shows_it_and_repeats(
    explorers: list[Explorer], explored: list[Exploration]
) -> None:
    explorer, base = explorers[1], explored[1].base
    (row,) = [each for each in explored[1].rows if each["what"] == ADD_ADDR]
    faults = [
        Fault(packet=2, what="duplicated"),
        Fault(packet=row["packet"], what="lost"),
        Fault(packet=row["packet"] + 6, what="lost"),
    ]
    case = case_of(faults)
    finding = row_of(explorer.run([case])[case.id], base)["finding"]
    assert finding == "late join"
    smallest = shrunk(explorer, base, case, finding)
    assert len(smallest.faults) == 1
    again = [row_of(explorer.run([smallest], alone=True)[smallest.id], base) for _ in range(2)]
    assert [each["finding"] for each in again] == ["late join"] * 2
    assert again[0]["digest"] == again[1]["digest"]
    assert base_line(explorer, explorer.base()).digest == base.digest
