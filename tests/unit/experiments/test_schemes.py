"""Schemes: which of them MPTCP is measured with, what overrides what, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiment_texts import PAGE_LOADS, refusal

from experiments import api, plan, schemes
from experiments.plan import Point
from testbed.base.errors import ConfigError, UsageError

OFFERS = PAGE_LOADS.replace('protocols = ["tcp", "mptcp"]', 'protocols = ["tcp", "mptcp"]\nschemes = ["mine", "paper"]')
MINE = """
[scheme.mine]
label = "MPTCP, mine"
mptcp.add_addr_timeout = "3 s"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def points_of(text: str, *asked: str, overrides: tuple[str, ...] = ()) -> list[Point]:
    Path("x.toml").write_text(text)
    size = "workload.sizes=10 KB"
    return plan.plan(plan.load(Path("x.toml")), overrides=[size, *overrides], schemes=asked)


def arms(points: list[Point]) -> list[tuple[str, str]]:
    return [(point.scheme, point.variant) for point in points]


def test_the_first_scheme_runs_by_itself_and_tcp_is_an_arm_of_its_own() -> None:
    points = points_of(OFFERS + MINE)
    assert [point.id for point in points] == ["mine-tcp-10KB-seed1", "mine-mine-mptcp-10KB-seed1"]
    assert arms(points) == [("", ""), ("mine", "MPTCP, mine")]
    assert [point.traits.must_join for point in points] == [False, True]


def test_all_are_those_that_the_file_names_and_others_can_be_asked_for() -> None:
    assert arms(points_of(OFFERS + MINE, "all"))[1:] == [("mine", "MPTCP, mine"), ("paper", "MPTCP, as in the paper")]
    asked = points_of(OFFERS + MINE, "upstream", "mine", "upstream")
    assert [point.scheme for point in asked] == ["", "upstream", "mine"]
    assert [point.scheme for point in points_of(OFFERS + MINE, "close", "all")] == ["", "close", "mine", "paper"]


def test_a_file_without_schemes_has_its_own_settings_and_can_be_run_with_any() -> None:
    assert [(point.id, point.scheme) for point in points_of(PAGE_LOADS)] == [
        ("mine-tcp-10KB-seed1", ""),
        ("mine-mptcp-10KB-seed1", ""),
    ]
    assert points_of(PAGE_LOADS, "all") == points_of(PAGE_LOADS)
    assert [point.id for point in points_of(PAGE_LOADS, "paper")] == [
        "mine-tcp-10KB-seed1",
        "mine-paper-mptcp-10KB-seed1",
    ]


def test_a_scheme_overrides_the_file_and_an_option_overrides_both() -> None:
    text = OFFERS + MINE + "[[condition]]\nname = 'slow'\nmptcp.subflows = 3\n"
    mine, paper = points_of(text, "all")[1:]
    assert (mine.mptcp["add_addr_timeout_s"], paper.mptcp["add_addr_timeout_s"]) == (3.0, 1.0)
    assert (mine.mptcp["subflows"], mine.condition, mine.scheme) == (3, "slow", "mine")
    changed = points_of(text, "all", overrides=("mptcp.add_addr_timeout=7 s",))[1:]
    assert [point.mptcp["add_addr_timeout_s"] for point in changed] == [7.0, 7.0]
    # Its curve is not the scheme's, and says so.
    assert arms(changed) == [("", "MPTCP, mine, changed"), ("", "MPTCP, as in the paper, changed")]
    assert arms(points_of(text, "all", overrides=("mptcp.subflows=3",))) == arms(points_of(text, "all"))


def test_a_variant_can_begin_with_a_scheme() -> None:
    text = PAGE_LOADS + '[[variant]]\nname = "more"\nscheme = "paper"\nprotocols = ["mptcp"]\nmptcp.lb_mode = "close"\n'
    (point,) = points_of(text)
    assert (point.mptcp["lb_mode"], point.mptcp["add_addr_resend_interval_s"]) == ("close", 0.01)
    assert (point.id, point.variant, point.scheme) == ("mine-more-mptcp-10KB-seed1", "more", "")
    assert not point.traits.must_join


def test_a_file_of_schemes_serves_any_experiment() -> None:
    Path("mine.toml").write_text(MINE)
    found = api.plan(["7"], schemes=["mine", "paper"], scheme_files=[Path("mine.toml")])
    assert list(dict.fromkeys(point.scheme for point in found)) == ["", "mine", "paper"]
    with pytest.raises(UsageError, match=r"mine\.toml: none of its schemes is asked for .*mine"):
        api.plan(["7"], scheme_files=[Path("mine.toml")])


def test_the_schemes_of_the_toolkit_stand_by_themselves_and_the_figures_have_the_papers_first() -> None:
    assert list(schemes.built_in()) == ["paper", "upstream", "close"]
    for name in plan.available():
        experiment = plan.load(plan.find(name))
        if experiment.figure and "mptcp" in experiment.base.protocols:
            assert experiment.base.schemes[:2] == ("paper", "upstream"), name


def test_the_upstream_scheme_is_the_figures_own_settings() -> None:
    experiment = plan.load(plan.find("7"))
    upstream = [point for point in plan.plan(experiment, schemes=["upstream"]) if point.scheme]
    assert {point.mptcp["lb_mode"] for point in upstream} == {"off"}
    assert all(point.mptcp == experiment.base.mptcp.plain() for point in upstream)


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ('"mine", "paper"', '"mine", "papr"', "6: schemes: no scheme 'papr' (did you mean 'paper'?)"),
        ('"mine", "paper"', '"mine", "mine"', "6: schemes: the same value stands in the list twice"),
        ('["mine", "paper"]', '"mine"', "6: schemes must be a list, not 'mine'"),
        ('["tcp", "mptcp"]', '["tcp"]', "6: schemes: there is nothing to measure with them: protocols has no 'mptcp'"),
        ('label = "MPTCP, mine"\n', "", "26: missing key 'label' in [scheme.mine]"),
        ("label =", "lable =", "27: unknown key 'lable' in [scheme.mine] (did you mean 'label'?)"),
        ('"MPTCP, mine"', '"!"', "27: label: must have letters or digits"),
        (
            "mptcp.add_addr_timeout =",
            "mptcp.add_adr_timeout =",
            "28: unknown key 'add_adr_timeout' in [scheme.mine.mptcp] (did you mean 'add_addr_timeout'?)",
        ),
        ('"3 s"', '"3"', "28: mptcp.add_addr_timeout: '3' has no unit: a duration is written with one of us, ms, s, m"),
        (
            "mptcp.add_addr_timeout =",
            "workload.total =",
            "28: unknown key 'workload' in [scheme.mine] (valid keys: label, description, mptcp)",
        ),
        ("[scheme.mine]", "[scheme.Mine]", "26: scheme 'Mine': a name has lower-case letters, digits and '-', 48 at"),
        ("[scheme.mine]", "[scheme.all]", "26: scheme 'all': a name has lower-case letters, digits and '-', 48 at"),
        (
            "[scheme.mine]",
            "[scheme.close]",
            "26: there is a scheme 'close' already, the toolkit's own (give it",
        ),
        ('"MPTCP, mine"', '"MPTCP, close"', "27: label: the scheme 'close' is called 'MPTCP, close' already"),
        ("[scheme.mine]", "[[scheme]]", "26: scheme must be tables, each under a [scheme.NAME]"),
    ],
)
def test_a_bad_scheme_is_refused_in_one_line(right: str, wrong: str, message: str) -> None:
    text = (OFFERS + MINE).replace('[profile.quick]\nworkload.total = "100 MB"\n', "")
    assert text.count(right) == 1
    assert refusal(text.replace(right, wrong)).startswith(f"x.toml:{message}")


def test_schemes_and_variants_do_not_mix() -> None:
    text = PAGE_LOADS + '[[variant]]\nname = "one"\n'
    assert refusal(text.replace("title =", 'schemes = ["paper"]\ntitle =')).startswith(
        "x.toml:3: schemes and [[variant]] are two ways to say what is compared"
    )
    assert refusal(text + 'scheme = "papr"\n') == "x.toml:28: variant 'one': no scheme 'papr' (did you mean 'paper'?)"
    with pytest.raises(UsageError, match="mine: scheme 'paper': the arms of this experiment are its own"):
        points_of(text, "paper")
    assert [point.variant for point in points_of(text, "all")] == ["one", "one"]


@pytest.mark.parametrize("table", ["[profile.quick]", "[[condition]]", "[[variant]]"])
def test_nothing_overrides_which_schemes_there_are(table: str) -> None:
    head, _, tail = PAGE_LOADS.partition("[profile.quick]")
    name = "" if "profile" in table else "name = 'x'\n"
    message = f"a {table.strip('[]').partition('.')[0]} cannot change 'schemes'"
    assert message in refusal(f'{head}{table}\n{name}schemes = ["paper"]\n')
    with pytest.raises(UsageError, match="an option cannot change 'schemes'"):
        points_of(head + "[profile.quick]" + tail, overrides=("schemes=paper",))


def test_a_scheme_that_there_is_not_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r"^fig07: no scheme 'papre' \(did you mean 'paper'\?\)$"):
        api.plan(["7"], schemes=["papre"])
    with pytest.raises(UsageError, match=r"^scheme 'paper': there is no point of MPTCP among these$"):
        api.plan(["13"], schemes=["paper"])
    assert {point.scheme for point in api.plan(["13", "14"], schemes=["upstream"])} == {"", "upstream"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "mine.toml:1: no scheme in it: they are tables [scheme.NAME]"),
        ("[mptcp]\n" + MINE, "mine.toml:1: unknown key 'mptcp': a file of schemes has tables [scheme.NAME] only"),
        (f"version = 2\n{MINE}", "mine.toml:1: unknown key 'version': a file of schemes has tables [scheme.NAME] only"),
        (
            MINE.replace("label = ", f'label = "{"x" * 49}"\n# '),
            "mine.toml:3: label may have 48 characters at most, not 49",
        ),
        (MINE.replace('"3 s"', "3"), "mine.toml:4: mptcp.add_addr_timeout: 3 has no unit"),
        (MINE.replace("mine]", "paper]"), "mine.toml:2: there is a scheme 'paper' already, the toolkit's own"),
    ],
)
def test_a_bad_file_of_schemes_is_refused_in_one_line(text: str, message: str) -> None:
    Path("mine.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        api.plan(["7"], schemes=["mine"], scheme_files=[Path("mine.toml")])
    assert str(caught.value).startswith(message)


def test_what_a_scheme_says_against_an_experiment_is_said_of_its_own_file() -> None:
    Path("mine.toml").write_text(MINE.replace('add_addr_timeout = "3 s"', "enforce_deny_join = true"))
    Path("x.toml").write_text(PAGE_LOADS.replace("[mptcp]", "[mptcp]\ndeny_join = false"))
    with pytest.raises(ConfigError, match=r"^mine\.toml:4: mptcp.enforce_deny_join: with deny_join = false there"):
        api.plan(["x.toml"], schemes=["mine"], scheme_files=[Path("mine.toml")])
