"""An option that a command would ignore, beside what else it was given, is refused in one line that names it."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.cli import main
from experiments.needs import every
from testbed.base.needs import packages
from testbed.labs.vm import image
from testbed.labs.vm.image import Manifest
from testbed.labs.vm.machine import Machine
from testbed.labs.vm.state import default_state

Said = tuple[int, str]
Cli = Callable[..., Said]

PLANNED = ("--seed", "5", "--repeat", "3", "--profile", "paper", "--set", "workload.concurrency=3")
MORE = ("--scheme", "close", "--clock", "real")


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The status of a command in an empty directory, and what it complained of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TESTBED_VM", str(tmp_path / "vm"))
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "cache"))

    def call(*words: str) -> Said:
        with pytest.raises(SystemExit) as ended:
            main.main(list(words))
        assert isinstance(ended.value.code, int)
        return ended.value.code, capfd.readouterr().err

    return call


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ("run", "--resume", "--dry-run", *PLANNED, *MORE, "--out", "r1"),
            "--resume without a figure goes on with the points that the run has: "
            "it takes no --profile, --scheme, --set, --repeat, --seed and --clock (leave it out, or",
        ),
        (("run", "--resume", "--seed", "1"), "the points that the run has: it takes no --seed (leave"),
        (("run", "--resume", "--real-repeat", "3", "--schemes", "a.toml"), "it takes no --schemes and --real-repeat ("),
        (("run", "fig13", "--dry-run", "--trust-code"), "a new run has no copies of parts: it takes no --trust-code"),
        (("kernel", "test", "--seed", "4"), "not drawn from a seed: it takes no --seed (add --seeds N)"),
        (("kernel", "build", "--source", ".", "--update"), "--source DIR is what it is"),
        (("kernel", "path", "--source", ".", "--release", "7.3"), "nearest release's series: it takes no --release"),
        (("explore", "fig07", "--out", "out", "--tries", "9"), "without --moment no moment is tried: it takes no --tr"),
        (
            ("explore", "fig07", "--out", "out", "--fault", "swapped", "--pairs", "3"),
            "--pairs: the first of two losses is none of the faults (add --fault lost)",
        ),
        (("explore", "fig07", "--out", "out", "--moment", "add", "--findings", "3"), "it takes no --findings"),
        (
            ("explore", "--repeat", "finding.toml", "--seed", "3", "--bound", "5", "--set", "a=1"),
            "--repeat FILE does what the file says: it takes no --set, --bound and --seed",
        ),
        (("explore", "--shrink", "f.toml", "--protocol", "tcp"), "--shrink FILE does what the file says: it takes no"),
        (("explore", "--shrink", "f.toml", "--kernel", "6.12", "--kernel", "7.3"), "on one kernel"),
        (("figures", "run", "--list"), "--list draws nothing, and is the same for every run: it takes no RUN"),
        (("figures", "--list", "--point", "p", "--out", "o"), "it takes no --point and --out"),
        (("list", "--schemes", "--parts"), "--schemes lists schemes alone: it takes no --parts"),
        (("list", "--schemes", "--part", "x.py"), "it takes no --part"),
        (("count-instructions", "--from", "c.json", "--repeat", "2"), "--from FILE counts nothing: it takes no --repe"),
        (("analyze", __file__, "--figure", "mine.py"), "--figure: where to? (name a directory with --out)"),
    ],
)
def test_an_option_without_a_meaning_is_refused(cli: Cli, tmp_path: Path, words: tuple[str, ...], line: str) -> None:
    status, said = cli(*words)
    assert status == 2 and line in said and said.count("\n") == 1, said
    assert not (tmp_path / "out").exists() and not (tmp_path / "results").exists()


def test_what_plans_nothing_is_taken_beside_resume(cli: Cli) -> None:
    words = ("--dry-run", "--jobs", "2", "--lab", "uml", "--kernel", "6.12", "--shared-boot", "--out", "r1")
    assert "r1: not a run directory" in cli("run", "--resume", *words)[1]
    assert "r1: not a run directory" in cli("run", "--resume", "--trust-code", "--out", "r1")[1]


def test_with_figures_a_resumed_run_is_one_of_just_these_points(cli: Cli) -> None:
    assert "no unfinished run" in cli("run", "fig13", "--resume", "--seed", "5", "--dry-run")[1]


def test_a_disk_that_is_there_keeps_its_size(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "require_programs", lambda: None)
    state = default_state()
    state.image.mkdir(parents=True)
    made = Manifest(
        id=image.identity(packages(every())),
        debian="trixie",
        python="3.13",
        packages=(),
        dependencies={},
        size="8G",
        built_at="2026-01-01T00:00:00+00:00",
        build_s=1,
    )
    (state.image / "manifest.json").write_text(made.model_dump_json())
    status, said = cli("vm", "build", "--disk", "16G")
    assert status == 2
    assert said == "testbed: error: --disk 16G: the disk is there, of 8G (--force builds it again)\n"


def test_a_machine_that_runs_stays_as_it_is(cli: Cli) -> None:
    state = default_state()
    state.image.mkdir(parents=True)
    made = Manifest(id="i", debian="d", python="p", packages=(), dependencies={}, size="8G", built_at="", build_s=1)
    (state.image / "manifest.json").write_text(made.model_dump_json())
    runs = Machine(
        port=2222, accelerator="kvm", why="", memory_mib=2048, cpus=2, kernel="k", image="i", started_by="user",
        started_at="", boot_s=1,
    )  # fmt: skip
    state.record.write_text(runs.model_dump_json())
    with state.alive.open("ab") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        assert cli("vm", "start", "--memory", "2048", "--cpus", "2")[0] == 0
        status, said = cli("vm", "start", "--memory", "4096", "--cpus", "2", "--no-kvm")
    assert status == 2
    assert "--memory, --no-kvm: it ran already, as it is (testbed vm stop, and start it anew)" in said


def test_standard_input_is_one_capture(cli: Cli) -> None:
    status, said = cli("analyze", "-", "/dev/stdin")
    assert (status, said) == (
        2,
        "testbed: error: standard input is named twice (it is one capture: name it once, as -)\n",
    )
