"""`testbed shell`: Mininet's prompt, Ctrl-C, the terminal's size, and nothing left when the terminal is closed."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from prompt import Prompt

pytestmark = pytest.mark.lab


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "tmp").mkdir()
    return {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "TERM": "xterm"}


def left(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "tmp").iterdir() if "-cores-" not in path.name]


@pytest.mark.parametrize("lab", ["uml", "local"])
def test_the_prompt_works_like_any_terminal(tmp_path: Path, environment: dict[str, str], lab: str) -> None:
    if lab == "local" and os.geteuid() != 0:
        pytest.skip("the local lab needs root")
    prompt = Prompt(lab, cwd=tmp_path, environment=environment)
    assert prompt.say("nodes") == ["available nodes are:", "c r s1 s2 s3"]
    assert any("1 received" in line for line in prompt.say("c ping -c 1 s1"))
    # Ctrl-C ends the command, not the shell.
    prompt.type("c sleep 1000\n")
    assert prompt.interrupt() == ["^C"]
    # It ends the prompt's line, too, and nothing else.
    prompt.type("half a li")
    assert prompt.interrupt() == ["Interrupt"]
    assert prompt.say("sh stty size") == ["30 100"]
    if lab == "local":  # a guest's own terminal does not hear of it
        prompt.resize(40, 120)
        assert prompt.say("sh stty size") == ["40 120"]
    # The line before, by the arrow key; a letter rubbed out.
    prompt.child.send(b"\x1b[A")
    assert prompt.say("") != []
    assert prompt.say("nodesx\x7f") == ["available nodes are:", "c r s1 s2 s3"]
    assert prompt.leave() == 0
    assert left(tmp_path) == []


@pytest.mark.parametrize("lab", ["uml", "local"])
def test_a_terminal_that_is_closed_ends_the_lab(tmp_path: Path, environment: dict[str, str], lab: str) -> None:
    if lab == "local" and os.geteuid() != 0:
        pytest.skip("the local lab needs root")
    prompt = Prompt(lab, cwd=tmp_path, environment=environment)
    assert len(left(tmp_path)) == 2  # the output's directory, and the lab's own
    prompt.hang_up()
    deadline = time.monotonic() + 20
    while left(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left(tmp_path) == []
