"""`testbed shell --lab ssh:far`: the terminal there is the user's, for as long as there is a connection."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ssh_host import Host, Wire, ours, settles
from ssh_user import TESTBED, Here

sys.path.insert(0, str(Path(__file__).parents[1]))
from prompt import Prompt

pytestmark = pytest.mark.usefixtures("provided")


def open_prompt(here: Here, target: str) -> Prompt:
    return Prompt(target, cwd=here.work, environment={**here.environment, "TERM": "xterm"}, program=(str(TESTBED),))


@pytest.mark.parametrize("target", ["ssh:far", "ssh:far/local"])
def test_the_prompt_works_like_any_terminal(here: Here, host: Host, target: str) -> None:
    if target.endswith("/local") and os.geteuid() != 0:
        pytest.skip("the local lab needs root")
    prompt = open_prompt(here, target)
    assert prompt.say("nodes") == ["available nodes are:", "c r s1 s2 s3"]
    prompt.type("c sleep 1000\n")
    assert prompt.interrupt() == ["^C"]
    prompt.type("half a li")
    assert prompt.interrupt() == ["Interrupt"]
    assert prompt.say("sh stty size") == ["30 100"]
    if target.endswith("/local"):  # a guest's own terminal does not hear of it
        prompt.resize(40, 120)
        assert prompt.say("sh stty size") == ["40 120"]
    assert prompt.leave() == 0
    assert host.jobs() == []
    assert list((here.home / "tmp").iterdir()) == []


def test_a_cut_connection_ends_it_and_says_so(here: Here, host: Host, wire: Wire) -> None:
    here.configure(host, wire.port, ConnectTimeout="2")
    prompt = open_prompt(here, "ssh:far")
    there = host.jobs()
    assert len(there) == 1
    wire.cut()
    prompt.child.expect_exact(b"the connection was lost, and the shell with it")
    prompt.child.wait()
    prompt.child.close()
    assert prompt.child.exitstatus == 4
    # The guest ends with its terminal; what could not be removed now is remembered.
    assert settles(lambda: not any("mem=4G" in words for words in ours(host).values()))
    wire.mend()
    cleaned = here.testbed("clean")
    assert (cleaned.returncode, str(there[0]) in cleaned.stdout) == (0, True), cleaned.stderr
    assert host.jobs() == []


def test_kill_of_the_command_line_leaves_nothing_after_a_clean(here: Here, host: Host) -> None:
    prompt = open_prompt(here, "ssh:far")
    prompt.child.kill(9)
    prompt.child.wait()
    assert here.testbed("clean").returncode == 0
    assert host.jobs() == []
    assert settles(lambda: not any("mem=4G" in words for words in ours(host).values()), 5)
    assert list((host.folder / "far tmp").glob("mptcp-testbed-[0-9]*")) == []
    assert list((here.home / "tmp").iterdir()) == []
