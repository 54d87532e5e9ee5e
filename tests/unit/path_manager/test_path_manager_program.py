"""The daemon as a program: its command line, and the argv with which a point starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from experiments.cli.path_manager import path_manager
from testbed.net.mptcp_pm.addresses import SocketAddress
from testbed.net.netlink import Refused
from testbed.path_manager.daemon import is_gone
from testbed.path_manager.figure4 import Settings
from testbed.path_manager.options import Options
from testbed.path_manager.service import Task, read
from testbed.tools.path_manager import command


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "Missing option '--unique'"),
        (["--unique", "server"], "'server' is not an IP address"),
        (["--unique", "10.0.3.101/24"], "'10.0.3.101/24' is not an IP address"),
        (["--unique", "10.0.3.101", "--unique", "10.0.3.102"], "a second IPv4 address, 10.0.3.102"),
        (["--unique", "10.0.3.101", "--port", "0"], "0 is not in the range"),
        (["--unique", "10.0.3.101", "--id", "0"], "0 is not in the range"),
        (["--unique", "10.0.3.101", "--repeat-announce", "200"], "'200' has no unit"),
        (["--unique", "10.0.3.101", "--receive-buffer", "big"], "'big' is not a size"),
        (["--unique", "10.0.3.101", "--journal", "nowhere/journal"], "nowhere/journal: No such file or directory"),
    ],
)
def test_a_bad_command_line_is_refused_before_anything_is_done(arguments: list[str], complaint: str) -> None:
    ended = CliRunner().invoke(path_manager, arguments)
    assert ended.exit_code != 0
    assert complaint in (ended.output + str(ended.exception)).replace("\n", " ")


def test_a_point_starts_a_program_of_its_own_that_understands_it() -> None:
    argv = command(
        "10.0.3.101",
        Path("journal"),
        port=8080,
        backup=False,
        close_initial=True,
        repeat_s=0.2,
        receive_buffer_bytes=4096,
    )
    assert argv[1:3] == ["-m", "testbed.path_manager"]
    settings = Settings((SocketAddress("10.0.3.101", 8080),), backup=False, close_initial=True, repeat_s=0.2)
    assert read(Task, argv[3]) == Task(settings, Options(receive_buffer_bytes=4096), Path("journal"))


def test_by_default_the_initial_subflow_becomes_a_backup_and_stays() -> None:
    task = read(Task, command("10.0.3.101", Path("journal"))[3])
    assert (task.settings.backup, task.settings.close_initial, task.settings.repeat_s) == (True, False, 0.0)
    assert task.options == Options(take_over=False, receive_buffer_bytes=8 << 20)


def test_what_a_person_asks_for_is_the_same_task(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Task] = []
    monkeypatch.setattr("experiments.cli.path_manager.serve", lambda task, _say, note: asked.append(task))
    arguments = ["--unique", "10.0.3.101", "--port", "8080", "--no-backup", "--close-initial", "--take-over"]
    arguments += ["--repeat-announce", "200 ms", "--receive-buffer", "4096 B", "--journal", "journal"]
    assert CliRunner().invoke(path_manager, arguments).exit_code == 0
    settings = Settings((SocketAddress("10.0.3.101", 8080),), backup=False, close_initial=True, repeat_s=0.2)
    assert asked == [Task(settings, Options(take_over=True, receive_buffer_bytes=4096), Path("journal"))]


def test_a_program_that_is_not_given_a_task_says_so_in_one_line() -> None:
    argv = [sys.executable, "-m", "testbed.path_manager", "[1]"]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("not a task for the path manager: ") and ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("code", "reason", "gone"),
    [
        (22, "invalid token", True),  # EINVAL, the connection
        (22, "", True),  # EINVAL, the subflow whose priority to set
        (3, "", True),  # ESRCH, the subflow to close
        (107, "", True),  # ENOTCONN
        (22, "did not match address and id", False),
        (22, "userspace PM not selected", False),
        (1, "", False),  # EPERM
    ],
)
def test_commands_that_came_too_late_are_told_from_wrong_ones(code: int, reason: str, gone: bool) -> None:
    assert is_gone(Refused(code, reason)) == gone
