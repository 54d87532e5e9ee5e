"""How a command of the local lab ended, as told by what its supervisor has left."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from testbed.base.errors import GuestKilled, GuestTimeout, LabError
from testbed.labs.local.lab import judge


def left(output: Path, status: object = None, console: str = "") -> Path:
    (output / "local").mkdir()
    (output / "local" / "console.log").write_text(console)
    if status is not None:
        (output / "local" / "status.json").write_text(json.dumps(status))
    return output


def test_the_supervisors_own_status_is_read(tmp_path: Path) -> None:
    status = {"reason": "exit", "status": 5, "clock_s": 1.5}
    assert judge(left(tmp_path, status), 0, 60) == status


def test_without_a_status_the_console_says_why(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="could not be set up: unshare: no"):
        judge(left(tmp_path, console="unshare: no\n"), 1, 60)


def test_a_kill_and_a_time_out_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(GuestKilled, match="signal 9"):
        judge(left(tmp_path), 137, 60)
    (tmp_path / "local" / "status.json").write_text('{"reason": "asleep", "status": null, "waiting": ["7 sleep"]}')
    with pytest.raises(GuestTimeout, match="no end within 60 s"):
        judge(tmp_path, 0, 60)


def test_a_status_that_the_command_wrote_over_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"local/status\.json: it makes no sense"):
        judge(left(tmp_path, {"reason": "exit", "status": []}), 0, 60)
    (tmp_path / "local" / "status.json").unlink()
    os.mkfifo(tmp_path / "local" / "status.json")
    with pytest.raises(LabError, match=r"local/status\.json: not a regular file"):
        judge(tmp_path, 0, 60)
