"""What an experiment file says, read: its profiles, its defaults, its shorter forms."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiment_texts import DOWNLOADS, PAGE_LOADS

from experiments import plan
from testbed.base.errors import UsageError


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("text", [PAGE_LOADS, DOWNLOADS])
def test_the_files_that_other_tests_break_are_good(text: str) -> None:
    Path("x.toml").write_text(text)
    assert plan.load(Path("x.toml")).name == "mine"


@pytest.mark.usefixtures("folder")
def test_every_file_has_a_quick_and_a_paper_profile_and_may_have_others() -> None:
    Path("x.toml").write_text(PAGE_LOADS + '\n[profile.tiny]\nworkload.sizes = ["10 KB"]\n')
    experiment = plan.load(Path("x.toml"))
    assert list(experiment.profiles) == ["quick", "paper", "tiny"]
    assert [point.parameters["requests"] for point in plan.plan(experiment, "paper")] == [400_000, 4000] * 2
    assert [point.parameters["requests"] for point in plan.plan(experiment, "quick")] == [10_000, 100] * 2
    assert [point.object_bytes for point in plan.plan(experiment, "tiny")] == [10_000] * 2
    with pytest.raises(UsageError) as near:
        plan.plan(experiment, "papr")
    assert str(near.value) == "mine has no profile 'papr' (did you mean 'paper'?)"
    with pytest.raises(UsageError) as far:
        plan.plan(experiment, "xyz")
    assert str(far.value) == "mine has no profile 'xyz' (its profiles: quick, paper, tiny)"


@pytest.mark.usefixtures("folder")
def test_there_are_never_fewer_requests_than_ab_has_connections() -> None:
    Path("x.toml").write_text(PAGE_LOADS.replace('total = "4 GB"', 'total = "25 KB"').partition("[profile")[0])
    points = plan.plan(plan.load(Path("x.toml")))
    assert [point.parameters["requests"] for point in points] == [10, 10, 10, 10]
    points = plan.plan(plan.load(Path("x.toml")), overrides=["workload.concurrency=2"])
    assert [point.parameters["requests"] for point in points] == [3, 2, 3, 2]


@pytest.mark.usefixtures("folder")
def test_nothing_happens_to_the_pool_of_an_experiment_without_a_timetable() -> None:
    Path("x.toml").write_text(DOWNLOADS.partition("[timetable]")[0])
    point = plan.plan(plan.load(Path("x.toml")))[0]
    assert point.names["timetable"] == "none"
    assert "cycle_s" not in point.parameters


@pytest.mark.usefixtures("folder")
def test_a_name_alone_is_short_for_the_table_of_a_part() -> None:
    Path("x.toml").write_text(PAGE_LOADS.replace('director = "ipvs-nat"\n', "") + '[director]\npart = "ipvs-nat"\n')
    long = plan.plan(plan.load(Path("x.toml")))
    Path("x.toml").write_text(PAGE_LOADS)
    assert plan.plan(plan.load(Path("x.toml"))) == long
    (other, *_) = plan.plan(plan.load(Path("x.toml")), overrides=["director=ecmp"])
    assert other.names["director"] == "ecmp"
