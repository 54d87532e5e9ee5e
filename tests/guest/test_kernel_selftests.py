"""The kernel's own selftests run in guests: results, a skip, a hang and a complaint of the kernel are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.kernel import build, selftests, selftests_run, selftests_seeds
from testbed.kernel.release import Release
from testbed.kernel.selftests import Suite, Unit
from testbed.kernel.selftests_run import UnitResult
from testbed.labs.base import Cancel, Lab
from testbed.labs.uml import UmlLab

SCRIPTS = {
    "good.sh": "sleep 100; echo 'TAP version 13'; echo 1..2; echo 'ok 1 - good: a # time=5ms';"
    "echo 'not ok 2 - good: b # time=7ms'; exit 1",
    "hangs.sh": "echo 001 a; sleep infinity",
    "skips.sh": "echo '[SKIP] Could not run test without nothing'; exit 4",
    "warns.sh": "echo '<4>WARNING: CPU: 0 PID: 1 at net/mptcp/pm.c:1' > /dev/kmsg;"
    "echo 1..1; echo 'ok 1 - warns: a # time=1ms'",
}


def run(
    units: list[Unit],
    suite: Suite,
    lab: Lab,
    out: Path,
    wall_limit_s: float = 300,
    seed: int | None = None,
    sysctls: tuple[str, ...] = (),
) -> dict[str, UnitResult]:
    ends: list[UnitResult] = []
    selftests_run.run(
        units,
        suite,
        {"only": lab},
        out,
        jobs=2,
        wall_limit_s=wall_limit_s,
        cancel=Cancel(),
        on_result=lambda _label, end: ends.append(end),
        seed=seed,
        sysctls=sysctls,
    )
    return {end.unit: end for end in ends}


def test_every_end_of_a_script_is_told_apart(lab: UmlLab, tmp_path: Path) -> None:
    suite = Suite(tmp_path / "suite", "test")
    suite.scripts.mkdir(parents=True)
    for name, text in SCRIPTS.items():
        (suite.scripts / name).write_text(text)
    ends = run([Unit(Path(name).stem, name) for name in SCRIPTS], suite, lab, tmp_path / "out")
    good = ends["good"]
    assert [(test.name, test.outcome, test.clock_ms) for test in good.subtests] == [("a", "ok", 5), ("b", "fail", 7)]
    assert good.clock_s > 100 and good.error == ""
    assert "sleep infinity" in ends["hangs"].error and ends["hangs"].subtests == ()
    assert ends["skips"].error == "skipped whole: Could not run test without nothing"
    assert ends["warns"].warnings[0].startswith("WARNING: CPU: 0") and ends["warns"].subtests[0].outcome == "ok"
    assert (tmp_path / "out" / "only" / "good" / "guest" / "stdout").read_text().startswith("TAP version 13")


def test_what_is_left_to_chance_follows_from_the_seed(lab: UmlLab, tmp_path: Path) -> None:
    suite = Suite(tmp_path / "suite", "test")
    suite.scripts.mkdir(parents=True)
    # What bash draws, what the kernel draws, and what it is told of the time; it fails with every other number.
    script = """
        drawn=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
        echo "$drawn $RANDOM $(date +%s%N)"
        echo 1..1
        [ $((drawn % 2)) = 0 ] && echo 'ok 1 - draws: even # time=1ms' || echo 'not ok 1 - draws: even # time=1ms'
    """
    (suite.scripts / "draws.sh").write_text(script)
    units = [Unit("draws", "draws.sh")]
    runs = [(seed, number) for seed in (1, 2, 3, 4) for number in (1, 2)]
    found = {each: run(units, suite, lab, tmp_path / "-".join(map(str, each)), seed=each[0])["draws"] for each in runs}
    assert all(found[seed, 1].digest == found[seed, 2].digest for seed in (1, 2, 3, 4))
    assert len({end.digest for end in found.values()}) == 4
    rows = [row for seed in (1, 2, 3, 4) for row in selftests_seeds.rows("only", seed, [found[seed, 1]])]
    assert {row.outcome for row in rows} == {"ok", "fail"}
    assert {each.seed for each in selftests_seeds.failures(rows)} == {row.seed for row in rows if row.outcome == "fail"}


def test_sysctls_are_set_in_each_namespace_that_a_script_makes(lab: UmlLab, tmp_path: Path) -> None:
    suite = Suite(tmp_path / "suite", "test")
    suite.scripts.mkdir(parents=True)
    scripts = {
        "makes": "ip netns add one; ip -n one link set lo up; ip netns exec one sysctl -n net.mptcp.add_addr_timeout;",
        "makes_none": "ip link show lo;",
    }
    for name, text in scripts.items():
        (suite.scripts / f"{name}.sh").write_text(f"{text} echo 1..1; echo 'ok 1 - it: runs # time=1ms'")
    units, wanted = [Unit(name, f"{name}.sh") for name in scripts], "net.mptcp.add_addr_timeout=77"
    ends = run(units, suite, lab, tmp_path / "set", sysctls=(wanted,))
    assert ends["makes"].error == "" and [each.outcome for each in ends["makes"].subtests] == ["ok"]
    assert (tmp_path / "set/only/makes/guest/stdout").read_text().startswith("77\n")
    assert f"no namespace was made, so {wanted} was never set" in ends["makes_none"].error
    (end,) = run(units[:1], suite, lab, tmp_path / "unknown", sysctls=("net.mptcp.no_such_thing=1",)).values()
    assert "net.mptcp.no_such_thing=1 could not be set in a namespace" in end.error


def test_a_script_that_never_sleeps_meets_the_wall_limit(lab: UmlLab, tmp_path: Path) -> None:
    suite = Suite(tmp_path / "suite", "test")
    suite.scripts.mkdir(parents=True)
    (suite.scripts / "spins.sh").write_text("while :; do :; done")
    end = run([Unit("spins", "spins.sh")], suite, lab, tmp_path / "out", wall_limit_s=3)["spins"]
    assert end.subtests == () and "after 3 s of real time" in end.error


def test_the_path_managers_selftest_passes_on_the_selftests_kernel(release: Release, tmp_path: Path) -> None:
    kernel = build.find(release=release, fragments=selftests.fragments(release))
    suite = selftests.find(release)
    if kernel is None or suite is None:
        pytest.skip("the selftests and their kernel are not built: 'make test-kernel' builds and runs them")
    units = [unit for unit in selftests.units(suite) if unit.name == "pm_netlink"]
    end = run(units, suite, UmlLab(kernel.image), tmp_path, wall_limit_s=600)["pm_netlink"]
    outcomes = [test.outcome for test in end.subtests]
    assert len(outcomes) > 10
    assert set(outcomes) == {"ok"}
