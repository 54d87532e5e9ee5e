"""Which units the selftests fall into, and what two kernels' results say together."""

from pathlib import Path

import pytest

from experiments.cli import kernel_test
from testbed.base.errors import ConfigError, KernelBuildError, PrerequisiteError, UsageError
from testbed.kernel import selftests, selftests_table
from testbed.kernel.ktap import Outcome, Subtest
from testbed.kernel.release import RELEASES, Release
from testbed.kernel.selftests import Suite, units
from testbed.kernel.selftests_run import UnitResult
from testbed.kernel.selftests_table import KERNEL_LOG, WHOLE, Known, compare, known_file, read_known

JOIN = """\
all_tests_sorted=(
\tf@subflows_tests
\t6@ipv6_tests
)
"""

MODE = 'MPTCP_LIB_KSFT_TEST="$(basename "${0}" .sh)" \\\n\t"$(dirname "${0}")/mptcp_connect.sh" -m mmap "${@}"\n'


def end(*subtests: Subtest, error: str = "", warnings: tuple[str, ...] = (), unit: str = "u") -> UnitResult:
    return UnitResult(unit, subtests, error, warnings, 1.0, 2.0)


def one(base: Outcome | None, ours: Outcome | None, known: Known | None = None) -> selftests_table.Row:
    before = end(*([Subtest("t", base, "before")] if base else []), Subtest("other", "ok"))
    after = end(*([Subtest("t", ours, "now")] if ours else []), Subtest("other", "ok"))
    return next(row for row in compare([before], [after], known or {}) if row.subtest == "t")


@pytest.mark.parametrize(
    ("base", "ours", "verdict", "bad"),
    [
        ("ok", "ok", "", False),
        ("skip", "skip", "", False),
        ("skip", "ok", "", False),
        ("ok", "ignored", "", False),
        (None, "ok", "", False),
        ("fail", "fail", "fails in both", False),
        ("fail", "ok", "repaired", False),
        ("ok", "fail", "new failure", True),
        ("skip", "fail", "new failure", True),
        ("ignored", "fail", "new failure", True),
        (None, "fail", "new failure", True),
        ("ok", "skip", "no longer run", True),
        ("ok", None, "no longer run", True),
    ],
)
def test_what_two_outcomes_mean(base: Outcome | None, ours: Outcome | None, verdict: str, bad: bool) -> None:
    row = one(base, ours)
    assert (row.base, row.ours, row.verdict, row.is_bad) == (base or "-", ours or "-", verdict, bad)


def test_what_the_patched_kernel_said_comes_first_and_the_known_reason_beside_it() -> None:
    row = one("fail", "fail", {("u", "t"): "because"})
    assert (row.note, row.reason) == ("now", "because")


def test_a_unit_that_only_the_patched_kernel_does_not_survive_is_bad_in_every_subtest() -> None:
    rows = compare([end(Subtest("a", "ok"), Subtest("b", "ok"))], [end(error="the guest's kernel panicked")], {})
    assert [(row.subtest, row.verdict, row.note) for row in rows] == [
        ("a", "no longer run", "the guest's kernel panicked"),
        ("b", "no longer run", "the guest's kernel panicked"),
    ]


def test_a_unit_without_results_in_either_kernel_is_bad_unless_it_is_known() -> None:
    hangs = [end(error="the guest went to sleep for ever")]
    (row,) = compare(hangs, hangs, {})
    assert (row.subtest, row.verdict, row.is_bad) == (WHOLE, "no result", True)
    (row,) = compare(hangs, hangs, {("u", WHOLE): "no such device here"})
    assert (row.verdict, row.is_bad) == ("fails in both", False)


def test_a_complaint_of_the_patched_kernel_alone_is_a_new_failure() -> None:
    quiet, loud = end(Subtest("a", "ok")), end(Subtest("a", "ok"), warnings=("WARNING: pm.c:1",))
    rows = compare([quiet], [loud], {})
    assert (rows[-1].subtest, rows[-1].verdict, rows[-1].note) == (KERNEL_LOG, "new failure", "WARNING: pm.c:1")
    assert compare([loud], [loud], {})[-1].verdict == "fails in both"


def test_the_text_has_every_subtest_and_what_is_known_of_the_failures() -> None:
    rows = [one("ok", "fail"), one("fail", "fail", {("u", "t"): "the clock is virtual"}), one("fail", "fail")]
    table = kernel_test.table(rows).splitlines()
    assert table[0].split() == ["selftest", "subtest", "unpatched", "patched"]
    assert table[1].split() == ["u", "t", "ok", "fail", "new", "failure", "now"]
    assert "the clock is virtual" in kernel_test.failures(rows)
    assert "The reason is not known." in kernel_test.failures(rows)
    assert kernel_test.failures(rows[:1]) == ""
    assert kernel_test.summary(rows).splitlines() == [
        "unpatched: 2 fail, 1 ok",
        "patched: 3 fail",
        "worse in the patched kernel, or without a result: 1",
    ]


@pytest.mark.parametrize("release", RELEASES.values(), ids=list(RELEASES))
def test_the_known_failures_of_this_repository_can_be_read(release: Release) -> None:
    read_known(known_file(release))


@pytest.mark.parametrize("text", ["[[failure]]\nunit = 'u'\n", "failure = 3\n", "[[failure\n"])
def test_a_bad_list_of_known_failures_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "known.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"known\.toml"):
        read_known(path)


def test_a_long_reason_becomes_one_line(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text('[[failure]]\nunit = "u"\nsubtest = "t"\nreason = """a\nb"""\n')
    assert read_known(path) == {("u", "t"): "a b"}


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    suite = Suite(tmp_path, "test")
    suite.scripts.mkdir()
    (suite.scripts / "mptcp_join.sh").write_text(JOIN)
    (suite.scripts / "mptcp_connect_mmap.sh").write_text(MODE)
    return suite


def test_the_units_are_the_groups_that_the_script_itself_lists(suite: Suite) -> None:
    found = {unit.name: unit for unit in units(suite)}
    assert [name for name in found if name.startswith("mptcp_join")] == ["mptcp_join-f", "mptcp_join-6"]
    assert found["mptcp_join-6"].options == ("-6",)
    assert "pm_netlink" in found


def test_mptcp_connect_runs_in_each_mode_that_the_release_has_a_script_for(suite: Suite) -> None:
    found = {unit.name: unit.options[-2:] for unit in units(suite) if unit.script == "mptcp_connect.sh"}
    assert set(found) == {"mptcp_connect-poll", "mptcp_connect-mmap"}
    assert found["mptcp_connect-mmap"] == ("-m", "mmap") != found["mptcp_connect-poll"]


@pytest.mark.parametrize("shared", [("lib.sh", "net_helper.sh"), ("lib.sh", "lib/sh/defer.sh")])
def test_the_scripts_keep_what_their_release_has_in_the_folder_above(tmp_path: Path, shared: tuple[str, ...]) -> None:
    net = tmp_path / "tree" / "tools" / "testing" / "selftests" / "net"
    for name in (*shared, "mptcp/mptcp_join.sh", "other.sh"):
        (net / name).parent.mkdir(parents=True, exist_ok=True)
        (net / name).write_text(name)
    selftests.lay_out(tmp_path / "tree", tmp_path / "whole")
    found = {str(path.relative_to(tmp_path / "whole")) for path in (tmp_path / "whole").rglob("*.sh")}
    assert found == {*shared, "mptcp/mptcp_join.sh"}


def test_a_script_whose_groups_cannot_be_told_is_refused(suite: Suite) -> None:
    (suite.scripts / "mptcp_join.sh").write_text("all_tests=()\n")
    with pytest.raises(KernelBuildError, match="groups of tests"):
        units(suite)


def test_units_are_chosen_by_name_or_by_script(suite: Suite) -> None:
    every = units(suite)
    assert kernel_test.choose(every, ()) == every
    assert [unit.name for unit in kernel_test.choose(every, ("mptcp_join", "pm_netlink"))] == [
        *("pm_netlink", "mptcp_join-f", "mptcp_join-6")
    ]
    with pytest.raises(UsageError, match="no selftest 'mptcp_joins'"):
        kernel_test.choose(every, ("mptcp_joins",))


def test_missing_programs_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftests, "PROGRAMS", {"no-such-tables": "tables", "no-such-tables-6": "tables"})
    with pytest.raises(PrerequisiteError, match=r"no-such-tables-6 \(sudo apt-get install tables\)"):
        selftests.require_programs()


def test_the_list_of_packages_has_what_the_programs_come_in() -> None:
    from testbed.debian_packages import debian_packages

    assert set(selftests.PROGRAMS.values()) == set(debian_packages(selftests.PACKAGES_FILE))
