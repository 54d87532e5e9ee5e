"""`testbed shell` with commands from a file or a pipe, in the embedded lab: their output, their status, their clock."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SHELL = [sys.executable, "-m", "experiments", "shell"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "tmp").mkdir()
    return {**os.environ, "TMPDIR": str(tmp_path / "tmp")}


def left(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "tmp").iterdir() if "-cores-" not in path.name]


def shell(*commands: str, environment: dict[str, str], args: tuple[str, ...] = ("anycast",)) -> tuple[int, str, str]:
    done = subprocess.run(
        [*SHELL, *args],
        input="\n".join(commands),
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_commands_of_nodes_and_of_mininet_run_one_after_the_other(tmp_path: Path, environment: dict[str, str]) -> None:
    lines = (
        "# names of nodes become addresses",
        "c ping -c 1 s1",
        "",
        "net",
        "c ip -brief address show dev c-eth0",
        "c cd /tmp; x=7",
        "c echo $x in $(pwd)",
        'sh echo "no node"; exit 5',
        "c sh -c 'sleep 1; echo later' &",
        "c wait",
        "py s2.IP()",
    )
    status, out, err = shell(*lines, environment=environment)
    assert (status, err) == (0, "")
    assert "1 packets transmitted, 1 received" in out and "\r" not in out
    said = out.splitlines()
    assert said[0].startswith("PING 10.0.11.2")
    at = said.index("c c-eth0:r-eth0")
    assert said[at + 1].startswith("r r-eth0:c-eth0 r-eth1:s1-eth0")
    address = next(line for line in said if line.startswith("c-eth0@"))
    assert re.search(r" UP +10\.0\.\d+\.\d+/24 ", address)
    assert said[said.index(address) + 1 :] == ["7 in /tmp", "no node", "later", "10.0.12.2"]
    assert left(tmp_path) == []


def test_what_is_wrong_with_a_line_is_said_with_its_number_and_the_next_one_runs(environment: dict[str, str]) -> None:
    lines = (
        "nonsense here",
        "link c",
        'c echo "no end',
        "c cat <<END",
        "py 1/0",
        "source /no/such/file",
        "c no-such-program",
        "s1 exit",
        "s1 echo gone",
        "nodes",
        "c sh -c 'exit 4'",
    )
    status, out, err = shell(*lines, environment=environment)
    assert status == 4
    assert err.splitlines() == [
        "line 1: nonsense: no command, and no node (`help` lists the commands, `nodes` the nodes)",
        "line 2: invalid number of args: link end1 end2 [up down]",
        "line 3: not a whole command: a quote or a here-document has no end",
        "line 4: not a whole command: a quote or a here-document has no end",
        "line 5: ZeroDivisionError: division by zero",
        "line 6: source /no/such/file: No such file or directory",
        "line 8: the shell of s1 has ended, and the node with it (rather: s1 sh -c '...')",
        "line 9: s1: no command, and no node (`help` lists the commands, `nodes` the nodes)",
    ]
    assert "bash: no-such-program: command not found\n" in out
    assert out.endswith("available nodes are: \nc r s2 s3\n")


@pytest.mark.parametrize(
    ("last", "status"),
    [
        ("nonsense", 127),
        ("c sh -c 'kill -9 $$'", 137),
        ("c true\nlink c\n\n# a comment", 2),
        ("time c false\nexit\nc true", 1),
        ("exit 3\nc true", 3),
    ],
)
def test_the_status_is_that_of_the_last_command(environment: dict[str, str], last: str, status: int) -> None:
    assert shell(last, environment=environment)[0] == status


def test_in_virtual_time_the_same_commands_print_the_same_bytes(environment: dict[str, str]) -> None:
    lines = ("c date +%s.%N", "c ping -c 3 s1", "c sleep 1000", "c date +%s.%N")
    began = time.monotonic()
    first, second = (shell(*lines, environment=environment, args=("fig13",)) for _ in range(2))
    assert first[0] == 0 and first == second
    assert time.monotonic() - began < 500
    stamps = [float(line) for line in first[1].splitlines() if re.fullmatch(r"\d+\.\d{9}", line)]
    assert 1002 < stamps[1] - stamps[0] < 1003


def test_a_command_that_waits_for_input_is_named(environment: dict[str, str]) -> None:
    status, _, err = shell("c cat", environment=environment)
    assert status == 5
    assert re.match(r"testbed: error: .*\d+ cat ", err)


def test_ctrl_c_ends_it_and_leaves_nothing(tmp_path: Path, environment: dict[str, str]) -> None:
    with subprocess.Popen(
        [*SHELL, "anycast", "--clock", "real"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as running:
        assert running.stdin and running.stdout and running.stderr
        running.stdin.write(b"c echo begun\nc sleep 1000\nc echo never\n")
        running.stdin.close()
        assert running.stdout.readline() == b"begun\n"
        running.send_signal(signal.SIGINT)
        assert running.stdout.read() == b""
        assert running.stderr.read() == b"testbed: error: interrupted\n"
        assert running.wait(60) == 130
    assert left(tmp_path) == []
