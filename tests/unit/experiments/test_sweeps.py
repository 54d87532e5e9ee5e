"""`[sweep]`: lists and ranges of any setting, all with one another or a Latin hypercube; what is wrong in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiment_texts import PAGE_LOADS

from experiments import api, plan
from testbed.base.errors import ConfigError, UsageError
from testbed.base.units import parse_any
from testbed.record.point import Point

DELAY, CONCURRENCY = "topology.client_director.delay", "workload.concurrency"
GRID = """
[sweep.axes]
topology.client_director.delay = { from = "1 ms", to = "100 ms", steps = 3, scale = "log" }
workload.concurrency = [5, 20]
"""


def planned(tmp_path: Path, sweep: str, *overrides: str, profile: str = "quick") -> list[Point]:
    (tmp_path / "mine.toml").write_text(f"{PAGE_LOADS}{sweep}")
    points = plan.plan(plan.load(tmp_path / "mine.toml"), profile, overrides=["workload.sizes=10 KB", *overrides])
    return [point for point in points if point.protocol == "tcp"]


def complaint(tmp_path: Path, sweep: str) -> str:
    with pytest.raises(ConfigError) as caught:
        planned(tmp_path, sweep)
    return str(caught.value)


def test_every_value_meets_every_other_and_the_points_say_theirs(tmp_path: Path) -> None:
    points = planned(tmp_path, GRID)
    assert [tuple(point.sweep.values()) for point in points] == [
        (delay, concurrency) for delay in ("1 ms", "10 ms", "100 ms") for concurrency in (5, 20)
    ]
    first = points[0]
    assert first.id == "mine-delay-1-ms-concurrency-5-tcp-10KB-seed1" and first.plot == "sweep"
    assert first.sweep == {DELAY: "1 ms", CONCURRENCY: 5}
    assert (first.parameters["client_director_delay_s"], first.parameters["concurrency"]) == (0.001, 5)
    # The rest is as the file says.
    assert first.parameters["client_director_loss"] == 0.01
    assert Point.from_json(first.to_json()) == first


def test_points_without_a_sweep_have_the_record_that_they_had(tmp_path: Path) -> None:
    assert '"sweep"' not in planned(tmp_path, "")[0].to_json()


def test_a_latin_hypercube_covers_each_axis_evenly_and_is_drawn_by_its_seed(tmp_path: Path) -> None:
    text = GRID.replace("steps = 3, ", "").replace("[5, 20]", "{ from = 1, to = 1000 }")
    points = planned(tmp_path, f"{text}[sweep]\nsamples = 20\n")
    assert [point.id.split("-")[1] for point in points] == [f"s{number:02}" for number in range(1, 21)]
    many = sorted(int(point.sweep[CONCURRENCY]) for point in points)
    assert all(1 + 999 * n / 20 - 1 <= each <= 1 + 999 * (n + 1) / 20 + 1 for n, each in enumerate(many))
    delays = sorted(parse_any(point.sweep[DELAY]) for point in points)  # type: ignore[type-var]
    assert all(0.001 <= delay[0] <= 0.1 for delay in delays if delay) and len(set(delays)) == 20
    again = planned(tmp_path, f"{text}[sweep]\nsamples = 20\n")
    assert [point.sweep for point in again] == [point.sweep for point in points]
    other = planned(tmp_path, f"{text}[sweep]\nsamples = 20\nseed = 2\n")
    assert [point.sweep for point in other] != [point.sweep for point in points]


def test_parts_and_sysctls_and_lists_can_be_swept(tmp_path: Path) -> None:
    text = """
[sweep.axes]
director = ["ipvs-nat", "ecmp"]
workload.sizes = [["10 KB"], ["20 KB"]]
sysctl."net.ipv4.tcp_congestion_control" = ["cubic", "reno"]
"""
    (tmp_path / "mine.toml").write_text(f"{PAGE_LOADS}{text}")
    points = [point for point in plan.plan(plan.load(tmp_path / "mine.toml")) if point.protocol == "tcp"]
    assert len(points) == 8 and len({point.id for point in points}) == 8
    assert {point.names["director"] for point in points} == {"ipvs-nat", "ecmp"}
    assert {point.object_bytes for point in points} == {10_000, 20_000}
    assert {point.sysctl["net.ipv4.tcp_congestion_control"] for point in points} == {"cubic", "reno"}


def test_any_experiment_is_swept_by_an_option() -> None:
    overrides = [f"sweep.axes.{CONCURRENCY}=10,20", f"sweep.axes.{DELAY}=1 ms,5 ms", "workload.sizes=10 KB"]
    points = api.plan(["fig07"], overrides=overrides)
    assert len(points) == 8
    assert {(point.sweep[CONCURRENCY], point.sweep[DELAY]) for point in points} == {
        (10, "1 ms"), (10, "5 ms"), (20, "1 ms"), (20, "5 ms"),
    }  # fmt: skip
    with pytest.raises(UsageError, match=r"concurrency=3: workload\.concurrency is swept"):
        api.plan(["fig07"], overrides=[*overrides, f"{CONCURRENCY}=3"])


def test_a_profile_can_have_another_sweep(tmp_path: Path) -> None:
    text = f"{GRID}[profile.paper.sweep.axes]\nworkload.concurrency = [1, 2, 3]\n"
    assert len(planned(tmp_path, text)) == 6
    assert len(planned(tmp_path, text, profile="paper")) == 9


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ("workload.concurrency = 5", "neither a list of values nor a range"),
        ("workload.concurrency = []", "neither a list of values nor a range"),
        ("workload.concurrency = [5, 5]", "the same value stands in the list twice"),
        ("workload.concurrency = { from = 5 }", "a range has both ends"),
        ("workload.concurrency = { from = 5, to = 1, steps = 2 }", "from is below to"),
        ("workload.concurrency = { from = 1, to = 3, steps = 9 }", "9 steps are more than there are values"),
        ("workload.concurrency = { from = 1, to = 3 }", "how many steps?"),
        ("workload.concurrency = { from = 1, to = 3, step = 1 }", "unknown key 'step' of a range"),
        ("workload.concurrency = { from = 0, to = 3, steps = 2, scale = 'log' }", "begins above 0"),
        ("workload.concurrency = { from = 1, to = 3, steps = 2, scale = 'cubic' }", "scale is one of linear, log"),
        ("topology.client_director.delay = { from = '1 ms', to = '1 s', steps = 2 }", "both ends in one unit"),
        ("topology.client_director.delay = { from = 'ms', to = 's', steps = 2 }", "numbers, or quantities"),
        ("workload.concurency = [1, 2]", "unknown key 'concurency'"),
        ("workload.concurrency = [1, 'many']", "workload.concurrency must be a whole number"),
        ("name = ['a', 'b']", "'name' cannot be swept"),
        ("workload.concurrency = {from = 1, to = 900, steps = 900}\nworkload.min_requests = {from = 1, to = 900, "
         "steps = 900}", "810000 combinations are more than 10000"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line_with_its_place(tmp_path: Path, axes: str, said: str) -> None:
    text = complaint(tmp_path, f"\n[sweep.axes]\n{axes}\n")
    assert said in text and "mine.toml:" in text and "\n" not in text


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("sweep={}", "missing key 'axes' in [sweep]"),
        ("sweep.axes=5", "axes must be a table, not 5"),
        ("sweep.samples=0", "samples must be at least 1, not 0"),
        ("sweep.seed=-1", "seed must be at least 0, not -1"),
        ("sweep.foo=5", "unknown key 'foo' in [sweep] (valid keys: axes, samples, seed)"),
    ],
)
def test_what_is_wrong_with_an_options_sweep_is_told_of_that_option(tmp_path: Path, option: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        planned(tmp_path, GRID if option.startswith(("sweep.s", "sweep.f")) else "", option)
    assert str(caught.value) == f"--set {option}: {message}"


@pytest.mark.parametrize("role", ["", "client."])
@pytest.mark.parametrize("name", ["net.ipv4.tcp_congestion_control", '"net.ipv4.tcp_congestion_control"'])
def test_a_sysctl_is_swept_from_the_command_line_by_its_name(tmp_path: Path, role: str, name: str) -> None:
    points = planned(tmp_path, "", f"sweep.axes.sysctl.{role}{name}=cubic,reno")
    found = [{**point.sysctl, **point.sysctl_of.get("client", {})} for point in points]
    assert [each["net.ipv4.tcp_congestion_control"] for each in found] == ["cubic", "reno"]


@pytest.mark.parametrize(
    ("choice", "axis"),
    [
        ("workload.concurrency = 7", "workload.concurrency = [5, 6]"),
        ('director = "ecmp"', 'director = ["nft", "ipvs-nat"]'),
        ('director.part = "ecmp"', 'director = ["nft", "ipvs-nat"]'),
        ('director = "ecmp"', 'director.part = ["nft", "ipvs-nat"]'),
        ('topology.direct.delay.towards_client = "1 ms"', 'topology.direct.delay = ["1 ms", "2 ms"]'),
    ],
)
@pytest.mark.parametrize("kind", ["variant", "condition"])
def test_what_a_variant_or_a_condition_sets_is_not_swept(tmp_path: Path, kind: str, choice: str, axis: str) -> None:
    last = f"[[{kind}]]\nname = 'usual'\n[[{kind}]]\nname = 'other'\n{choice}\n"
    key = axis.partition(" =")[0]
    assert f"sweep.axes: {key}: 'other' sets it, too" in complaint(tmp_path, f"{last}[sweep.axes]\n{axis}\n")
    with pytest.raises(
        UsageError, match=f"--set sweep.axes.{axis}: sweep.axes: {key}: 'other' sets it".replace("[", ".")
    ):
        planned(tmp_path, last, f"sweep.axes.{axis}")


def test_a_condition_may_name_the_director_of_which_something_else_is_swept(tmp_path: Path) -> None:
    sweep = '[[condition]]\nname = "c"\ndirector = "ipvs-nat"\n[sweep.axes]\ndirector.scheduler = ["rr", "lc"]\n'
    assert [point.parts["director"].settings["scheduler"] for point in planned(tmp_path, sweep)] == ["rr", "lc"]


def test_a_swept_setting_of_mptcp_makes_another_scheme_and_one_curve(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(f'schemes = ["paper"]\n{PAGE_LOADS}')
    experiment = plan.load(tmp_path / "mine.toml")

    def schemes(axis: str) -> set[tuple[str, str]]:
        points = plan.plan(experiment, overrides=["workload.sizes=10 KB", f"sweep.axes.{axis}"])
        return {(point.scheme, point.variant) for point in points if point.protocol == "mptcp"}

    assert schemes("workload.concurrency=5,20") == {("paper", "MPTCP, as in the paper")}
    assert schemes("mptcp.deny_join=true,false") == {("", "MPTCP, as in the paper, changed")}


@pytest.mark.parametrize("values", ['"1 s", "1000 ms"', '"1 ms", "1 ms"', '"1 ms", ".001 s"'])
def test_a_value_stands_in_a_list_once_however_it_is_written(tmp_path: Path, values: str) -> None:
    said = complaint(tmp_path, f"[sweep.axes]\n{DELAY} = [{values}]\n")
    assert f"sweep.axes: {DELAY}: the same value stands in the list twice" in said
