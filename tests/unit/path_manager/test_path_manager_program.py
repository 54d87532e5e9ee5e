"""The daemon as a program: its command line, and the argv with which a point starts it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from experiments.cli.path_manager import path_manager
from testbed.net.mptcp_pm.sockets import CommandRefused
from testbed.path_manager.daemon import is_gone
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


def test_what_a_point_asks_for_the_command_line_understands() -> None:
    argv = command(
        "10.0.3.101",
        Path("journal"),
        port=8080,
        backup=False,
        close_initial=True,
        repeat_s=0.2,
        receive_buffer_bytes=4096,
    )
    assert argv[1:4] == ["-m", "experiments", "path-manager"]
    understood = path_manager.make_context("path-manager", argv[4:]).params
    assert understood == {
        "unique": ("10.0.3.101",),
        "port": 8080,
        "address_id": 1,
        "no_backup": True,
        "close_initial": True,
        "repeat_s": 0.2,
        "take_over": False,
        "journal": Path("journal"),
        "receive_buffer": 4096,
        "verbose": False,
    }


def test_by_default_the_initial_subflow_becomes_a_backup_and_stays() -> None:
    understood = path_manager.make_context("path-manager", command("10.0.3.101", Path("journal"))[4:]).params
    assert (understood["no_backup"], understood["close_initial"], understood["repeat_s"]) == (False, False, 0.0)
    assert understood["receive_buffer"] == 8 << 20


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
    assert is_gone(CommandRefused(code, reason)) == gone
