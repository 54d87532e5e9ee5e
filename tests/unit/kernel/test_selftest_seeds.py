"""Selftests over seeds: a table of subtests and kernels, and a reproducer for each failure."""

from __future__ import annotations

import pytest

from experiments.cli.main import main
from testbed.kernel import selftests_seeds
from testbed.kernel.ktap import Outcome, Subtest
from testbed.kernel.selftests_run import UnitResult
from testbed.kernel.selftests_seeds import Row


def end(*outcomes: Outcome, unit: str = "u", error: str = "", warnings: tuple[str, ...] = ()) -> UnitResult:
    subtests = tuple(Subtest(f"t{number}", outcome) for number, outcome in enumerate(outcomes, 1))
    return UnitResult(unit, subtests, error, warnings, 1.0, 2.0, digest=f"d-{unit}-{'-'.join(outcomes)}")


def rows() -> list[Row]:
    found = []
    for seed in range(1, 9):
        found += selftests_seeds.rows("old", seed, [end("ok", "fail" if seed > 1 else "ok")])
        found += selftests_seeds.rows("new", seed, [end("ok", "skip" if seed == 4 else "ok")])
    return found


def test_the_table_counts_outcomes_and_names_the_seeds_that_fail() -> None:
    assert selftests_seeds.table(rows(), ["old", "new"]) == [
        ("selftest", "subtest", "old", "new"),
        ("u", "t1", "8 ok", "8 ok"),
        ("u", "t2", "1 ok, 7 fail (seeds 2, 3, 4, 5, 6, ...)", "7 ok, 1 skip"),
    ]


def test_a_failure_is_a_unit_with_its_seed_and_the_digest_of_what_it_printed() -> None:
    found = selftests_seeds.failures(rows())
    assert [(each.kernel, each.unit, each.seed) for each in found] == [("old", "u", seed) for seed in range(2, 9)]
    assert (found[0].digest, found[0].subtests, found[0].again) == ("d-u-ok-fail", ("t2",), None)


def test_a_unit_without_results_and_a_warning_of_the_kernel_are_failures_too() -> None:
    found = selftests_seeds.rows("k", 1, [end(error="hangs"), end("ok", unit="v", warnings=("WARNING: mptcp",))])
    assert [(row.unit, row.subtest, row.outcome, row.note) for row in found] == [
        ("u", "(all)", "fail", "hangs"),
        ("v", "t1", "ok", ""),
        ("v", "(kernel log)", "fail", "WARNING: mptcp"),
    ]
    assert len(selftests_seeds.failures(found)) == 2


def test_a_kernel_of_ones_own_choice_is_tried_with_seeds_alone(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["kernel", "test", "--kernel", "6.12"])
    assert ended.value.code == 2
    assert capfd.readouterr().err.startswith("testbed: error: --kernel: only with --seeds")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--sysctl", "net.mptcp.cwnd_push=2"], "--sysctl: only with --kernel"),
        (["--kernel", "6.12", "--seeds", "1", "--sysctl", "net.mptcp.cwnd_push"], "not NAME=VALUE"),
        (["--kernel", "6.12", "--seeds", "1", "--sysctl", "kernel.panic=1"], "not NAME=VALUE"),
    ],
)
def test_a_setting_that_no_namespace_could_have_is_refused(
    words: list[str], complaint: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["kernel", "test", *words])
    assert ended.value.code == 2
    assert complaint in capfd.readouterr().err
