from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from experiments import plan
from experiments.cli import main
from testbed.base.errors import GuestPanic, GuestTimeout, PrerequisiteError
from testbed.base.needs import Need
from testbed.kernel import selection
from testbed.labs import catalog
from testbed.labs.base import HERE, Cancel, Clock, Job, JobResult, Sink, discard


@dataclass
class Said:
    status: int
    out: str
    err: str


class Testbed:
    """The command line in this process, in a directory of its own, with a lab that only pretends."""

    __test__ = False

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, *args: str) -> Said:
        with pytest.raises(SystemExit) as ended:
            main.main(list(args))
        out, err = self._capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Said(ended.value.code, out, err)


class FakeLab:
    """Every job ends well, without results; after `interrupt_after` jobs comes a Ctrl-C, twice."""

    name = "uml"
    machine = HERE
    clocks: tuple[Clock, ...] = ("virtual", "real")
    width = 2

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.interrupt_after = 10**9
        self.error: Exception | None = None
        self.result = JobResult(0, 1.0, 2.0)

    def facts(self) -> dict[str, Any]:
        return {"kernel": {"id": "fake"}}

    def require(self, needs: Collection[Need], cancel: Cancel | None = None) -> None:
        pass

    def run(
        self, job: Job, *, stdout: Sink = discard, stderr: Sink = discard, cancel: Cancel | None = None
    ) -> JobResult:
        if self.error:
            raise self.error
        point = job.output / "point.json"
        if point.exists():
            if len(self.ran) == self.interrupt_after:
                assert cancel is not None
                for _ in range(2):
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                assert cancel.wait(10)
                cancel.raise_if_set()
            self.ran.append(json.loads(point.read_text())["id"])
        stdout(b"out\n")
        stderr(b"err\n")
        return self.result


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Testbed:
    monkeypatch.chdir(tmp_path)
    return Testbed(capfd)


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> FakeLab:
    made = FakeLab()
    monkeypatch.setattr(catalog, "open_lab", lambda *_: contextlib.nullcontext(made))
    monkeypatch.setattr(selection, "again", lambda *_: None)  # it has no kernel
    return made


def manifest(directory: Path) -> dict[str, Any]:
    value = json.loads((directory / "run.json").read_text())
    assert isinstance(value, dict)
    return value


def assert_one_line(said: Said, status: int, pattern: str) -> None:
    assert said.status == status
    assert re.fullmatch(rf"testbed: error: [^\n]*{pattern}[^\n]*\n", said.err), said.err


@pytest.mark.parametrize(
    ("args", "status", "pattern"),
    [
        (["run", "12"], 2, "no experiment '12'"),
        (["run"], 2, "which experiment"),
        (["run", "7", "fig07"], 2, "two experiments are named 'fig07'"),
        (["run", "7", "--profile", "quik"], 2, "did you mean 'quick'"),
        (["run", "7", "--set", "topology.client_director.rate=0 Mbit/s"], 2, "rate"),
        (["run", "7", "--set", "workload.total=4"], 2, "no unit"),
        (["run", "7", "--jobs", "0"], 2, "--jobs"),
        (["run", "--resume"], 2, "no unfinished run"),
        (["run", "7", "--lab", "umll"], 2, "no lab 'umll' .the labs are: uml"),
        (["run", "7", "--lab", "uml", "--lab", "uml"], 2, "lab 'uml' is given twice"),
        (["agree", "13", "--lab", "uml"], 2, "agree compares two labs"),
        (["agree", "13", "--lab", "uml", "--lab", "local", "--tolerance", "speed=5"], 1, "no quantity 'speed'"),
        (["agree", "13", "--lab", "uml", "--lab", "local", "--tolerance", "goodput"], 2, "not QUANTITY=PERCENT"),
        (["run", "7", "--lab", "local", "--clock", "virtual"], 2, "the lab has no virtual clock: local"),
        (["verify", "r", "--lab", "local"], 2, "the lab has no virtual clock: local"),
        (["exec", "--lab", "uml:x", "--", "true"], 2, "uml takes nothing after a colon"),
        (["anlyze", "r"], 2, r"No such command 'anlyze'. Did you mean 'analyze'\? \(see"),
        (["shell", "lbb"], 2, "no experiment 'lbb' .*the experiments are: "),
        (["shell", "lb", "--lab", "local", "--clock", "virtual"], 2, "no virtual clock: local .it has: real"),
        (["clean", "--results"], 2, "add --yes"),
    ],
)
def test_a_mistake_is_one_line_and_its_exit_status(cli: Testbed, args: list[str], status: int, pattern: str) -> None:
    assert_one_line(cli(*args), status, pattern)


def test_bad_toml_is_named_with_its_line(cli: Testbed, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("version = 1\nname = \n")
    assert_one_line(cli("run", "mine.toml"), 2, r"mine\.toml:2: ")


def test_a_cache_of_somebody_else_is_named_and_no_kernel_is_missed(
    cli: Testbed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tmp_path.chmod(0o777)
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path))
    for argv in (["exec", "true"], ["kernel", "path"], ["run", "fig13"]):
        assert_one_line(cli(*argv), 3, "cannot be trusted: everybody may write there")
    monkeypatch.delenv("TESTBED_CACHE")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert_one_line(cli("exec", "true"), 3, "no home directory for the cache")


def test_no_kernel_is_a_missing_prerequisite(cli: Testbed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "empty"))
    assert_one_line(cli("run", "13"), 3, "testbed kernel build")
    assert not (tmp_path / "results").exists()


def test_a_results_directory_that_cannot_be_written_is_one_line(cli: Testbed, lab: FakeLab, tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    assert_one_line(cli("run", "13"), 3, "cannot be written")
    assert lab.ran == []


@pytest.mark.parametrize("shared", [True, False])
def test_a_run_goes_on_with_shared_boots_if_it_had_them(
    cli: Testbed, lab: FakeLab, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    asked: list[bool] = []

    def open_lab(_spec: object, options: catalog.LabOptions, *_: object) -> contextlib.AbstractContextManager[FakeLab]:
        asked.append(options.shared_boot)
        return contextlib.nullcontext(lab)

    monkeypatch.setattr(catalog, "open_lab", open_lab)
    monkeypatch.setattr(FakeLab, "facts", lambda _: {"kernel": {"id": "fake"}, "shared_boot": shared})
    lab.interrupt_after = 2
    assert cli("run", "13", "--repeat", "4", "--jobs", "1", *(["--shared-boot"] if shared else [])).status == 130
    lab.interrupt_after = 10**9
    cli("run", "--resume", "--jobs", "1")
    assert len(lab.ran) == 4
    assert asked == [shared, shared]


def test_a_run_without_measurements_is_complete_but_its_status_says_so(
    cli: Testbed, lab: FakeLab, tmp_path: Path
) -> None:
    said = cli("run", "13", "--jobs", "1")
    assert said.status == 6
    assert "1 of 1 points failed or are invalid: fig13-" in said.err
    assert re.search(r"^\[1/1\] fig13-\S+ ok 1\.0 s$", said.out, re.MULTILINE)
    latest = tmp_path / "results" / "latest"
    assert manifest(latest)["state"] == "complete"
    assert manifest(latest)["kernel"] == {"id": "fake"}
    assert manifest(latest)["labs"] == [{"name": "uml", "kernel": {"id": "fake"}}]
    assert (latest / "summary.json").exists()


def test_a_run_that_was_interrupted_keeps_its_points_and_is_resumed(cli: Testbed, lab: FakeLab, tmp_path: Path) -> None:
    lab.interrupt_after = 3
    said = cli("run", "7", "--jobs", "1")
    assert_one_line(said, 130, "3 of 14 points are kept")
    latest = tmp_path / "results" / "latest"
    assert manifest(latest)["state"] == "interrupted"
    assert sorted(path.name for path in (latest / "points").iterdir()) == sorted(lab.ran)
    lab.interrupt_after = 10**9
    assert_one_line(cli("run", "8", "--resume", "--jobs", "1"), 2, "no unfinished run of just these points")
    said = cli("run", "--resume", "--jobs", "1")
    assert said.status == 6  # the fake lab measures nothing
    assert len(lab.ran) == len(set(lab.ran)) == 14
    assert manifest(latest)["state"] == "complete"
    assert_one_line(cli("run", "--resume"), 2, "no unfinished run")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["ssh:lab1"], "another machine: ssh:lab1 (to go on there: testbed run --resume --out {run} --lab ssh:lab1)"),
        (["uml", "ssh:me@lab1:22/local"], "--out {run} --lab uml --lab ssh:me@lab1:22/local)"),
        (["ssh:$(touch${IFS}X)/local"], "not a host (say where: testbed run --resume --out {run} --lab LAB)"),
        (["ssh:-oProxyCommand=touch X"], "not a host"),
        (["\x1b[2Jlab"], "no lab '\\x1b[2Jlab'"),
    ],
)  # fmt: skip
def test_a_run_directory_never_says_which_machine_to_log_in_to(
    cli: Testbed, lab: FakeLab, tmp_path: Path, names: list[object], said: str
) -> None:
    lab.interrupt_after = 3
    cli("run", "7", "--jobs", "1")
    latest = (tmp_path / "results" / "latest").resolve()
    (latest / "run.json").write_text(json.dumps({**manifest(latest), "lab": names}))
    ran = list(lab.ran)
    done = cli("run", "--resume", "--out", str(latest), "--jobs", "1")
    assert_one_line(done, 2, re.escape(said.format(run=latest) if "{run}" in said else said))
    assert lab.ran == ran and not (tmp_path / "X").exists()


def test_exec_passes_output_and_status_through(cli: Testbed, lab: FakeLab) -> None:
    lab.result = JobResult(7, 1.0, 2.0)
    said = cli("exec", "--", "false")
    assert (said.status, said.out, said.err) == (7, "out\n", "err\n")


def test_exec_reports_a_complaint_of_the_kernel(cli: Testbed, lab: FakeLab) -> None:
    lab.result = JobResult(0, 1.0, 2.0, ("WARNING: at x",))
    said = cli("exec", "--", "true")
    assert said.status == 4
    assert "WARNING: at x" in said.err


@pytest.mark.parametrize(
    ("error", "status"), [(GuestPanic("panic", console="line 1\nline 2"), 4), (GuestTimeout("too long"), 5)]
)
def test_an_error_of_the_lab_has_its_own_status(cli: Testbed, lab: FakeLab, error: Exception, status: int) -> None:
    lab.error = error
    said = cli("exec", "--", "true")
    assert said.status == status
    assert said.err.startswith("testbed: error: ")
    assert ("\n    line 1\n    line 2\n" in said.err) == isinstance(error, GuestPanic)


@pytest.mark.parametrize(
    ("error", "status"),
    [(PrerequisiteError("no", hint="cure"), 3), (KeyboardInterrupt(), 130), (click.Abort(), 130)],
)
def test_what_a_command_raises_becomes_a_status(
    cli: Testbed, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int
) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise error

    monkeypatch.setattr(main.root, "main", fail)
    assert cli("list").status == status


def test_list_names_every_experiment(cli: Testbed) -> None:
    said = cli("list")
    assert said.status == 0
    assert [line.split()[0] for line in said.out.splitlines()[1:]] == plan.available()


def test_clean_says_what_it_removed(cli: Testbed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "cache"))
    assert cli("clean").out == "nothing to remove\n"
    stale = tmp_path / "mptcp-testbed-99999999-x"
    stale.mkdir()
    (tmp_path / f"mptcp-testbed-{os.getpid()}-y").mkdir()
    assert cli("clean").out == f"removed {stale}\n"
