"""`testbed shell` with commands from a file or a pipe: what reaches the lab, and what is refused before it starts."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from experiments.cli import main
from testbed.labs import catalog
from testbed.labs.base import HERE, Cancel, Clock, Job, JobResult, Sink, discard


class Lab:
    """Remembers its jobs, which all end with status 7; it has no prompt."""

    name = "uml"
    machine = HERE
    clocks: tuple[Clock, ...] = ("virtual", "real")
    width = 1

    def __init__(self) -> None:
        self.jobs: list[tuple[Job, bytes, dict[str, Any]]] = []

    def run(
        self, job: Job, *, stdout: Sink = discard, stderr: Sink = discard, cancel: Cancel | None = None
    ) -> JobResult:
        assert job.stdin is not None and cancel is not None
        self.jobs.append((job, job.stdin.read_bytes(), json.loads((job.output / "point.json").read_text())))
        stdout(b"out\n")
        stderr(b"err\n")
        return JobResult(7, 1.0, 2.0)


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    made = Lab()
    monkeypatch.setattr(catalog, "open_lab", lambda *_: contextlib.nullcontext(made))
    return made


def status(*args: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main.main(list(args))
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    data = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data))
    return data


@pytest.mark.parametrize(
    ("args", "clock", "experiment"),
    [
        (["lb"], "virtual", "fig07"),
        (["anycast", "--clock", "real"], "real", "fig14"),
        (["lb", "--lab", "local"], "real", "fig07"),
        (["fig09"], "virtual", "fig09"),
        (["13"], "virtual", "fig13"),
    ],
)
def test_the_commands_are_the_jobs_input(
    lab: Lab, stdin: io.BytesIO, capfd: pytest.CaptureFixture[str], args: list[str], clock: str, experiment: str
) -> None:
    stdin.write("net\nc echo é\n".encode())
    stdin.seek(0)
    assert status("shell", *args) == 7
    ((job, commands, point),) = lab.jobs
    assert commands == "net\nc echo é\n".encode()
    assert job.argv[1:] == ("-m", "experiments.start", "--commands")
    assert (job.clock, point["clock"], point["experiment"]) == (clock, clock, experiment)
    assert tuple(capfd.readouterr()) == ("out\n", "err\n")


def test_an_experiment_file_and_its_settings_are_taken(
    lab: Lab, stdin: io.BytesIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from experiments.plan import SHIPPED

    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text((SHIPPED / "fig13.toml").read_text().replace('name = "fig13"', 'name = "mine"'))
    assert status("shell", "mine.toml", "--set", 'protocols=["tcp"]') == 7
    (_, commands, point) = lab.jobs[0]
    assert (commands, point["experiment"], point["protocol"]) == (b"", "mine", "tcp")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"net\nc echo \xff\n", "standard input, line 2: not UTF-8 text"),
        (b"c echo \x03\n", "standard input, line 1: a control character"),
        (b"net\n\nc echo " + b"x" * 4000, "standard input, line 3: longer than 2000 bytes"),
    ],
)
def test_what_a_nodes_terminal_would_change_is_refused(
    lab: Lab, stdin: io.BytesIO, capfd: pytest.CaptureFixture[str], data: bytes, what: str
) -> None:
    stdin.write(data)
    stdin.seek(0)
    assert status("shell", "lb") == 2
    said = capfd.readouterr().err
    assert said.startswith(f"testbed: error: {what} (") and said.count("\n") == 1
    assert lab.jobs == []


@pytest.mark.parametrize(
    ("args", "what"),
    [
        (["lbb"], "no experiment 'lbb' (the experiments are: "),
        (
            ["lb", "--lab", "local", "--clock", "virtual"],
            "--clock virtual: the lab has no virtual clock: local (it has: ",
        ),
        (["lb", "--set", "workload.total=4"], ""),
    ],
)
def test_an_experiment_or_a_clock_that_is_not_is_one_line(
    lab: Lab, stdin: io.BytesIO, capfd: pytest.CaptureFixture[str], args: list[str], what: str
) -> None:
    assert status("shell", *args) == 2
    said = capfd.readouterr().err
    assert said.startswith(f"testbed: error: {what}") and said.count("\n") == 1
    assert lab.jobs == []


@pytest.mark.parametrize(
    ("args", "output_is_terminal", "what"),
    [
        (["lb"], False, "a prompt needs a terminal to print to"),
        (["lb", "--clock", "virtual"], True, "--clock virtual: it does not wait for somebody who types"),
        (["lb"], True, "the uml lab has no prompt"),
    ],
)
def test_at_a_terminal_what_cannot_be_names_the_way_without(
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    args: list[str],
    output_is_terminal: bool,
    what: str,
) -> None:
    master, line = os.openpty()
    with os.fdopen(master), os.fdopen(line) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr(sys.stdout, "isatty", lambda: output_is_terminal)
        assert status("shell", *args) == 2
    said = capfd.readouterr().err
    assert said.startswith(f"testbed: error: {what} (") and "testbed shell lb < FILE" in said
    assert lab.jobs == []
