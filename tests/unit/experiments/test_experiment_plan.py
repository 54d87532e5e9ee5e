"""The shipped experiments, and the points they stand for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments import plan
from experiments.composition import parts_of
from experiments.plan import Point
from experiments.timetables.base import Change
from experiments.timetables.rotation import Rotation
from testbed.base.errors import ConfigError, UsageError

SIZES = {
    "10KB": 10_000,
    "50KB": 50_000,
    "100KB": 100_000,
    "500KB": 500_000,
    "1000KB": 1_000_000,
    "5000KB": 5_000_000,
    "10000KB": 10_000_000,
}
POOL = ["s1", "s2", "s3"]
ROTATION = Rotation(cycle="15 s", up="10 s")
QUICK_REQUESTS = [1000, 1000, 1000, 200, 100, 40, 40]
# What is slow to begin takes more pages, or the beginning is what is measured.
QUICK_REQUESTS_FAR_AWAY = [1000, 1000, 1000, 200, 100, 80, 80]
PAPER_REQUESTS = [400_000, 80_000, 40_000, 8000, 4000, 800, 400]
SETTINGS_OF_ALL = {
    "add_addr": True,
    "add_addr_timeout_s": 1,
    "deny_join": True,
    "initial_backup": True,
    "path_manager": "kernel",
    "repeat_announce_s": 0.0,
    "subflows": 2,
    "add_addr_accepted": 1,
    "client_endpoint": "none",
    "enforce_deny_join": False,
    "join_syn_rto_min_s": 0.0,
}
BY_ITSELF = {"add_addr_resend_interval_s": 0.0, "lb_mode": "off", "cwnd_push": "off"}
AS_IN_THE_PAPER = {"add_addr_resend_interval_s": 0.01, "lb_mode": "backup", "cwnd_push": "all"}
PAGE_LOAD_FIGURES = {
    # name: rate, delay and loss of the client-director link
    "fig06": (10**9, 0.0, 0.0),
    "fig07": (10**8, 0.0, 0.0),
    "fig08": (10**8, 0.01, 0.0),
    "fig09": (10**8, 0.1, 0.0),
    "fig10": (10**8, 0.0, 0.01),
    "fig11": (10**8, 0.1, 0.01),
}


def points_of(name: str, profile: str = "quick", **more: list[int] | list[str]) -> list[Point]:
    return plan.plan(plan.load(plan.find(name)), profile, **more)  # type: ignore[arg-type]


def test_the_papers_figures_and_the_ablations_come_with_the_toolkit() -> None:
    others = ["ablation-add-addr", "ablation-schemes", "balancers", "delay-readings", "families"]
    assert plan.available() == [
        *others,
        "fig03",
        *PAGE_LOAD_FIGURES,
        "fig13",
        "fig14",
        "flip-rates",
        "mixed-load",
        "one-interface",
        "protection",
        "protection-flood",
        "protection-goodput",
        "rivals",
        "several-servers",
        "upload",
        "upload-directors",
    ]


@pytest.mark.parametrize("profile", ["quick", "paper"])
@pytest.mark.parametrize("name", PAGE_LOAD_FIGURES)
def test_a_page_load_figure_has_a_point_per_protocol_and_size(name: str, profile: str) -> None:
    points = points_of(name, profile)
    clocks = ["", "-real"] if name == "fig06" else [""]
    assert [point.id for point in points] == [
        f"{name}-{arm}-{size}{clock}-seed1" for clock in clocks for arm in ("tcp", "paper-mptcp") for size in SIZES
    ]
    assert [point.object_bytes for point in points] == [*SIZES.values()] * 2 * len(clocks)
    assert {point.clock for point in points} == ({"virtual", "real"} if name == "fig06" else {"virtual"})
    quick = QUICK_REQUESTS_FAR_AWAY if name in ("fig09", "fig11") else QUICK_REQUESTS
    requests = quick if profile == "quick" else PAPER_REQUESTS
    assert [point.parameters["requests"] for point in points] == requests * 2 * len(clocks)
    rate_bps, delay_s, loss = PAGE_LOAD_FIGURES[name]
    for point, number in zip(points, requests * 2 * len(clocks), strict=True):
        assert point.parameters == {
            "direction": "download",
            "requests": number,
            "concurrency": 10,
            "large_reads": False,
            "servers": 1,
            "directors": 1,
            "family": "ipv4",
            "client_director_rate_bps": rate_bps,
            "client_director_delay_s": delay_s,
            "client_director_loss": loss,
            "direct_rate_bps": 10**9,
            "direct_delay_s": 0.0,
            "direct_loss": 0.0,
            "director_server_rate_bps": 10**9,
            "director_server_delay_s": 0.0,
            "director_server_loss": 0.0,
            "scheduler": "rr",
            **SETTINGS_OF_ALL,
            **(AS_IN_THE_PAPER if point.protocol == "mptcp" else BY_ITSELF),
        }
        tcp_limit = 94_148_244.5 if rate_bps == 10**8 else 941_482_444.7
        assert point.wire_limit_bps == (tcp_limit if point.protocol == "tcp" else 923_276_983.1)
        assert (point.experiment, point.figure, point.profile) == (name, str(int(name[3:])), profile)
        assert (point.plot, point.version) == ("page-size", 2)
        assert point.names == {
            "topology": "load-balancer",
            "director": "ipvs-nat",
            "workload": "page-loads",
            "timetable": "none",
            "protection": "none",
        }


def test_the_uploads_are_figure_7_in_the_other_direction_with_a_shorter_dss() -> None:
    uploads, downloads = points_of("upload", "paper"), points_of("fig07", "paper")
    assert [p.parameters | {"direction": "download"} for p in uploads] == [p.parameters for p in downloads]
    assert {p.parameters["direction"] for p in uploads} == {"upload"}
    assert {(p.protocol, p.wire_limit_bps) for p in uploads} == {("tcp", 94_148_244.5), ("mptcp", 925_877_763.3)}


def test_a_direction_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match=r"workload\.direction: 'up' is not one of download, upload"):
        points_of("fig07", overrides=["workload.direction=up"])


def test_the_figure_about_cpu_cost_says_so() -> None:
    assert "CPU" in plan.load(plan.find("6")).title


@pytest.mark.parametrize("profile", ["quick", "paper"])
@pytest.mark.parametrize(
    ("name", "arm", "limit_bps"), [("fig13", "tcp", 2_824_447_334.2), ("fig14", "paper-mptcp", 2_769_830_949.3)]
)
def test_an_anycast_figure_is_the_papers_in_full(name: str, arm: str, limit_bps: float, profile: str) -> None:
    (point,) = points_of(name, profile)
    protocol = arm.rpartition("-")[2]
    assert point.id == f"{name}-{arm}-100MB-seed1"
    assert (point.protocol, point.object_bytes, point.wire_limit_bps) == (protocol, 10**8, limit_bps)
    assert (point.plot, point.clock) == ("timeline", "virtual")
    assert list(point.names.values()) == ["anycast", "ecmp", "long-downloads", "rotation", "none"]
    assert point.parameters == {
        "concurrency": 300,
        "duration_s": 120.0,
        "servers": 3,
        "family": "ipv4",
        "form": "routed",
        "client_rate_bps": 10**10,
        "server_rate_bps": 10**9,
        "cycle_s": 15.0,
        "up_s": 10.0,
        "large_reads": True,
        **SETTINGS_OF_ALL,
        **(AS_IN_THE_PAPER if protocol == "mptcp" else BY_ITSELF),
        "sysctl": {"net.ipv4.tcp_tso_rtt_log": 30},
    }


def test_sixteen_changes_fall_into_120_seconds() -> None:
    parts = parts_of(points_of("fig13")[0])
    changes = parts.timetable.changes(parts.workload.planned_s, POOL)
    assert [change.t_s for change in changes] == [10, 15, 25, 30, 40, 45, 55, 60, 70, 75, 85, 90, 100, 105, 115, 120]
    assert [change.event for change in changes] == ["server-removed", "server-added"] * 8
    assert [change.server for change in changes] == [f"s{number}" for number in (1, 2, 3, 1, 2, 3, 1, 2) for _ in "ab"]


def test_a_change_after_the_end_does_not_happen() -> None:
    changes = ROTATION.changes(14.9, POOL[:2])
    assert changes == [Change(10.0, "server-removed", "s1")]
    assert ROTATION.changes(9.9, POOL[:2]) == []
    assert ROTATION.changes(None, POOL[:2]) == []


def test_the_last_change_is_exact_for_decimal_fractions() -> None:
    assert Rotation(cycle="300 ms", up="100 ms").changes(0.9, POOL)[-1] == Change(0.9, "server-added", "s3")


def test_seeds_are_the_outermost_order_and_ids_are_unique_and_safe() -> None:
    points = points_of("6", seeds=[3, 1])
    assert [point.seed for point in points] == [3] * 28 + [1] * 28
    ids = [point.id for point in points]
    assert len(set(ids)) == 56
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", point_id) for point_id in ids)


def test_points_in_real_time_have_seeds_of_their_own() -> None:
    points = plan.plan(plan.load(plan.find("6")), seeds=[2, 1], real_seeds=range(1, 4))
    found = [(seed, clock) for seed, clock in dict.fromkeys((point.seed, point.clock) for point in points)]
    assert found == [(2, "virtual"), (2, "real"), (1, "virtual"), (1, "real"), (3, "real")]
    assert len(points) == 5 * 14
    with pytest.raises(UsageError, match="a seed is a whole number"):
        plan.plan(plan.load(plan.find("6")), real_seeds=[1.5])  # type: ignore[list-item]


def test_what_is_no_seed_and_a_point_without_a_clock_are_refused() -> None:
    for seeds in (["a"], [1.5], [True]):
        with pytest.raises(UsageError, match="a seed is a whole number"):
            points_of("7", seeds=seeds)
    with pytest.raises(UsageError, match="clocks: none"):
        plan.plan(plan.load(plan.find("7")), clocks=())


@pytest.mark.parametrize("seeds", [[], [1, 1], [-1]])
def test_seeds_that_cannot_be_are_refused(seeds: list[int]) -> None:
    with pytest.raises(UsageError) as caught:
        points_of("7", seeds=seeds)
    assert str(caught.value) == f"seeds {seeds}: give at least one, none twice, none below zero"


def test_sizes_that_look_alike_have_ids_of_their_own() -> None:
    points = points_of("7", overrides=["workload.sizes=1234567B,1234568B,1KiB,20MB,10500KB", "protocols=tcp"])
    labels = [point.id.split("-")[2] for point in points]
    assert labels == ["1234567B", "1234568B", "1024B", "20MB", "10500KB"]


@pytest.mark.parametrize("name", ["7", "07", "fig7", "fig07", "Fig.7", "fig07.toml", "fig7.toml", "figure 7"])
def test_a_figure_is_found_by_any_of_its_names(name: str) -> None:
    assert plan.find(name) == plan.SHIPPED / "fig07.toml"


def test_a_path_is_found_and_comes_before_a_shipped_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fig07.toml").touch()
    assert plan.find(str(tmp_path / "fig07.toml")) == tmp_path / "fig07.toml"
    monkeypatch.chdir(tmp_path)
    assert plan.find("fig07.toml") == Path("fig07.toml")
    assert plan.find("fig07") == plan.SHIPPED / "fig07.toml"


ALL = (
    "ablation-add-addr, ablation-schemes, balancers, delay-readings, families, "
    "fig03, fig06, fig07, fig08, fig09, fig10, fig11, fig13, fig14, flip-rates, mixed-load, one-interface, "
    "protection, protection-flood, protection-goodput, rivals, several-servers, upload, upload-directors"
)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("12", f"no experiment '12' (did you mean 'fig14'?; the experiments are: {ALL})"),
        ("fgi07", f"no experiment 'fgi07' (did you mean 'fig07'?; the experiments are: {ALL})"),
        ("xyz", f"no experiment 'xyz' (the experiments are: {ALL})"),
        ("mine/none.toml", "no experiment file mine/none.toml"),
    ],
)
def test_an_experiment_that_does_not_exist_is_refused_with_the_nearest_name(name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan.find(name)
    assert str(caught.value) == message


def test_a_point_survives_its_json() -> None:
    for point in points_of("11") + points_of("13"):
        assert Point.from_json(point.to_json()) == point
        assert Point.from_json(point.to_json()).to_json() == point.to_json()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "p/point.json: not a point: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("{}", "p/point.json: not a point: version None, but this toolkit reads versions 1 and 2"),
    ],
)
def test_a_file_that_is_no_point_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Point.from_json(text, Path("p/point.json"))
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["fig" + "1" * 5000, "x" * 5000 + ".toml", "a\0b.toml"])
def test_a_name_that_nothing_can_have_is_no_experiment(name: str) -> None:
    with pytest.raises(UsageError, match="no experiment"):
        plan.find(name)
