"""`testbed vm` where nothing is built or nothing runs: one line, what to do, and a status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TESTBED_VM", str(tmp_path / "vm"))
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "cache"))
    return tmp_path / "vm" / "mptcp-lb-testbed-vm"


def status_of(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main.main(list(arguments))
    return ended.value.code


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (("vm", "start"), 3, "testbed: error: the lab VM is not built (run: testbed vm build)"),
        (("vm", "start", "--memory", "64"), 2, "Invalid value for '--memory'"),
        (("vm", "build", "--disk", "lots"), 2, "testbed: error: disk size 'lots' (write for instance 8G, or 6000M)"),
        (("vm", "sttart"), 2, "No such command 'sttart'. Did you mean 'start'? (see: testbed vm --help)"),
        (("vm", "xyz"), 2, "No such command 'xyz' (see: testbed vm --help)"),
        (("run", "fig07", "--lab", "vm"), 3, "testbed: error: the lab VM is not built (run: testbed vm build)"),
        (("exec", "--lab", "vm:two", "--", "true"), 2, "lab 'vm:two': vm takes nothing after a colon"),
        (("run", "fig07", "--lab", "vm", "--clock", "virtual"), 2, "the lab has no virtual clock: vm"),
    ],
)
def test_what_cannot_be_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], status: int, line: str
) -> None:
    assert status_of(*arguments) == status
    said = capsys.readouterr().err
    assert line in said and "Traceback" not in said
    assert not (folder / "machine.json").exists()


def test_nothing_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("vm", "stop") == 0
    assert status_of("vm", "destroy") == 0
    assert capsys.readouterr().out.splitlines() == ["it does not run", "there is no lab VM"]
    assert not folder.exists()


def test_status_of_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("vm", "status") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "image    not built: testbed vm build" in lines and "machine  does not run" in lines
    assert status_of("vm", "status", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["folder"], said["image"], said["machine"]) == (str(folder), None, None)
