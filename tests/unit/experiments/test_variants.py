"""Variants and conditions: two more axes of an experiment's points, and what is refused in them."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from experiments import plan
from experiments.plan import Point
from experiments.values import DroppedPacket
from testbed.base.errors import ConfigError, UsageError
from testbed.net import loss_injection

SCHEMES = """\
version = 2
name = "mine"
title = "My schemes"
director = "ipvs-nat"
plot = "ablation"
protocols = ["mptcp"]
[topology]
part = "load-balancer"
servers = 3
client_director = { rate = "100 Mbit/s", loss = "0 %" }
direct = { rate = "1 Gbit/s" }
director_server = { rate = "1 Gbit/s" }
[workload]
part = "page-loads"
sizes = ["1000 KB"]
concurrency = 10
total = "1 GB"

[[variant]]
name = "TCP"
protocols = ["tcp"]

[[variant]]
name = "flag + ADD_ADDR, 1 s"
mptcp.add_addr_timeout = "1 s"
mptcp.initial_backup = false

[[condition]]
name = "no loss"

[[condition]]
name = "ADD_ADDR lost"
drop.packet = "add-addr"
topology.client_director.loss = "1 %"
without = ["TCP"]

[profile.quick]
workload.total = "100 MB"
mptcp.add_addr_timeout = "3 s"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def points_of(text: str, *, profile: str = "quick", overrides: tuple[str, ...] = (), seeds: tuple[int, ...] = (1,)):
    Path("x.toml").write_text(text)
    return plan.plan(plan.load(Path("x.toml")), profile, list(seeds), list(overrides))


def test_a_point_stands_for_each_variant_under_each_condition_that_does_not_leave_it_out() -> None:
    points = points_of(SCHEMES)
    assert [(point.condition, point.variant, point.protocol) for point in points] == [
        ("no loss", "TCP", "tcp"),
        ("no loss", "flag + ADD_ADDR, 1 s", "mptcp"),
        ("ADD_ADDR lost", "flag + ADD_ADDR, 1 s", "mptcp"),
    ]
    assert [point.id for point in points] == [
        "mine-no-loss-tcp-tcp-1000KB-seed1",
        "mine-no-loss-flag-add-addr-1-s-mptcp-1000KB-seed1",
        "mine-add-addr-lost-flag-add-addr-1-s-mptcp-1000KB-seed1",
    ]
    assert {point.plot for point in points} == {"ablation"}
    assert [Point.from_json(point.to_json()) for point in points] == points


def test_variant_and_condition_override_the_profile_and_an_option_overrides_them_all() -> None:
    last = points_of(SCHEMES)[-1]
    assert (last.parameters["requests"], last.parameters["add_addr_timeout_s"]) == (100, 1)
    assert (last.parameters["initial_backup"], last.parameters["client_director_loss"]) == (False, 0.01)
    assert (last.parameters["drop_packet"], last.parameters["drop_occurrence"]) == ("add-addr", 1)
    changed = points_of(SCHEMES, overrides=("mptcp.add_addr_timeout=7 s", "drop.packet=mp-prio", "drop.occurrence=2"))
    assert [point.parameters["add_addr_timeout_s"] for point in changed] == [7, 7, 7]
    assert {(point.parameters["drop_packet"], point.parameters["drop_occurrence"]) for point in changed} == {
        ("mp-prio", 2)
    }
    assert points_of(SCHEMES, profile="paper")[0].parameters["add_addr_timeout_s"] == 1  # the schema's own


def test_every_seed_has_every_case() -> None:
    points = points_of(SCHEMES, seeds=(4, 5))
    assert [point.seed for point in points] == [4, 4, 4, 5, 5, 5]
    assert len({point.id for point in points}) == 6


def test_a_file_may_have_only_one_of_the_two_axes() -> None:
    head, _, tail = SCHEMES.partition("[[variant]]")
    conditions = "[[condition]]" + ("[[variant]]" + tail).partition("[[condition]]")[2]
    variants = tail.partition("[[condition]]")[0] + "[profile.quick]"
    only_conditions = points_of(head + conditions.replace('without = ["TCP"]\n', ""))
    assert [point.id for point in only_conditions] == [
        "mine-no-loss-mptcp-1000KB-seed1",
        "mine-add-addr-lost-mptcp-1000KB-seed1",
    ]
    assert [(point.condition, point.variant) for point in points_of(head + "[[variant]]" + variants)] == [
        ("", "TCP"),
        ("", "flag + ADD_ADDR, 1 s"),
    ]


def test_the_wire_limit_is_that_of_the_path_that_a_scheme_has() -> None:
    with_address = points_of(SCHEMES)[1]
    without = points_of(SCHEMES, overrides=("mptcp.add_addr=false",))[1]
    assert with_address.wire_limit_bps == pytest.approx(10 * without.wire_limit_bps)


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ('name = "TCP"\n', "", "x.toml:19: missing key 'name' in [[variant]]"),
        ('name = "no loss"', "name = 3", "x.toml:29: the name of a condition must be a text with letters or digits"),
        ('name = "no loss"', 'name = "%"', "x.toml:29: the name of a condition must be a text with letters or digits"),
        (
            'name = "flag + ADD_ADDR, 1 s"',
            'name = "tcp!"',
            "x.toml:24: variant 'tcp!': another one has the same name in an id",
        ),
        (
            "mptcp.initial_backup = false",
            "mptcp.inital_backup = false",
            "x.toml:26: unknown key 'inital_backup' in [variant[1].mptcp] (did you mean 'initial_backup'?)",
        ),
        (
            'mptcp.add_addr_timeout = "1 s"',
            'mptcp.add_addr_timeout = "1"',
            "x.toml:25: mptcp.add_addr_timeout: '1' has no unit: a duration is written with one of us, ms, s, min",
        ),
        (
            'drop.packet = "add-addr"',
            'drop.packet = "add-adr"',
            "x.toml:33: drop.packet: 'add-adr' is not one of add-addr, add-addr-echo, mp-prio, join-syn, join-syn-ack "
            "(did you mean 'add-addr'?)",
        ),
        ('protocols = ["tcp"]', 'title = "x"', "x.toml:21: a variant cannot change 'title'"),
        ('drop.packet = "add-addr"', "variant = 1", "x.toml:33: a condition cannot change 'variant'"),
        ('without = ["TCP"]', 'without = ["TPC"]', "x.toml:35: without: no variant 'TPC' (did you mean 'TCP'?)"),
        ('without = ["TCP"]', 'without = "TCP"', "x.toml:35: without must be a list of variants' names"),
        (
            'without = ["TCP"]',
            'without = ["TCP", "flag + ADD_ADDR, 1 s"]',
            "x.toml:35: 'ADD_ADDR lost' leaves out every variant",
        ),
        (
            'protocols = ["tcp"]',
            'without = ["TCP"]',
            "x.toml:21: unknown key 'without' in [variant[0]] (valid keys: name, scheme, "
            "protocols, clocks, topology, director, workload, timetable, protection, mptcp, drop, "
            "director_statistics, capture, trace, sysctl)",
        ),
        ('plot = "ablation"', "variant = 1", "x.toml:5: variant must be tables, each under a [[variant]]"),
        ("mptcp.add_addr_timeout = \"3 s\"", "variant = 1", "x.toml:39: a profile cannot change 'variant'"),
    ],
)  # fmt: skip
def test_a_bad_variant_or_condition_is_refused_in_one_line(right: str, wrong: str, message: str) -> None:
    assert SCHEMES.count(right) == 1
    text = SCHEMES.replace(right, wrong)
    Path("x.toml").write_text(text.partition("[[variant]]")[0] if wrong == "variant = 1" and "plot" in right else text)
    with pytest.raises(ConfigError) as caught:
        plan.load(Path("x.toml"))
    assert str(caught.value) == message


def test_a_mistyped_table_is_refused_with_the_nearest_name() -> None:
    Path("x.toml").write_text(SCHEMES.replace("[[variant]]", "[[variants]]").replace('without = ["TCP"]\n', ""))
    with pytest.raises(ConfigError, match=r"unknown key 'variants' \(did you mean 'variant'\?\)"):
        plan.load(Path("x.toml"))


@pytest.mark.parametrize("table", ["variant", "condition"])
def test_an_option_cannot_change_the_variants(table: str) -> None:
    with pytest.raises(UsageError, match=f"an option cannot change '{table}'"):
        points_of(SCHEMES, overrides=(f"{table}=x",))


def test_the_file_and_the_injector_know_the_same_packets() -> None:
    assert get_args(DroppedPacket) == loss_injection.PACKETS


SHIPPED = ("ablation-add-addr", "ablation-schemes")


def test_the_shipped_ablations_fit_into_ten_minutes_on_two_cores() -> None:
    points = [point for name in SHIPPED for point in plan.plan(plan.load(plan.find(name)))]
    assert sum(map(plan.estimate, points)) / 2 < 600


def test_the_shipped_schemes_meet_every_loss() -> None:
    points = plan.plan(plan.load(plan.find("ablation-schemes")))
    assert {point.drop_packet for point in points} == {"", *loss_injection.PACKETS}
    assert {point.parameters["client_director_loss"] for point in points} == {0.0, 0.01}
    # What is to be lost must be sent: joins need an address to go to, an MP_PRIO a backup.
    for point in points:
        packet, parameters = point.drop_packet, point.parameters
        if packet in ("add-addr", "add-addr-echo", "join-syn-ack"):
            assert parameters["add_addr"], point.id
        if packet == "mp-prio":
            assert parameters["initial_backup"] or parameters.get("lb_mode", "off") != "off", point.id
        if packet:
            assert point.protocol == "mptcp", point.id
