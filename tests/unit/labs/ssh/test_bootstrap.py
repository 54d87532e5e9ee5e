"""What is sent to a machine that has nothing of ours needs nothing but its Python's standard library."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed.labs.ssh import rpc
from testbed.labs.ssh.remote import layout


def argv(program: bytes) -> list[str]:
    """A Python that finds neither our packages nor any that is installed."""
    return [sys.executable, "-I", "-S", "-c", rpc._RECEIVER, str(len(program))]


def environment(home: Path) -> dict[str, str]:
    return {"TESTBED_CACHE": str(home / "cache"), "TMPDIR": str(home)}


def call(home: Path, action: str, arguments: Mapping[str, Any]) -> Any:
    """The answer of such a Python."""
    program = rpc.bootstrap_program(json.dumps({"action": action, "arguments": arguments}))
    with subprocess.Popen(
        argv(program), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(home)
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(program)
        process.stdin.flush()  # and it stays open: its end would be ours
        answer = process.stdout.readline()
        assert process.wait(30) == 0
    return json.loads(answer)


def test_a_bare_python_says_what_the_machine_is_makes_our_folders_and_tidies_up(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert call(tmp_path, "prepare", {"owner": "me"}) == {"ok": str(cache / layout.INCOMING / "me")}
    said = call(tmp_path, "describe", {"digest": "0" * 64})["ok"]
    assert (said["python"], said["root"], said["toolkit"]) == (list(sys.version_info[:2]), str(cache), False)
    assert call(tmp_path, "sweep", {"dead": ["me"], "toolkits": False}) == {"ok": [str(cache / layout.INCOMING / "me")]}
    assert list(cache.iterdir()) == []


def test_what_a_bare_python_refuses_comes_back_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "cache" / layout.FOLDER).mkdir(parents=True)
    error = call(tmp_path, "require_space", {"needed_bytes": 1 << 62, "what": "a job"})["error"]
    assert "a job needs" in error["message"] and error["hint"].startswith("make room there")


def test_it_ends_without_an_answer_when_this_side_is_gone(tmp_path: Path) -> None:
    toolkits = tmp_path / "cache" / layout.TOOLKITS
    toolkits.mkdir(parents=True)
    arguments = {"digest": "0" * 64, "owner": "me", "name": "a.whl", "offline": True}
    program = rpc.bootstrap_program(json.dumps({"action": "install", "arguments": arguments}))
    with layout.locked(toolkits / f".lock-{'0' * 64}", wait=True):  # somebody else installs: it waits
        done = subprocess.run(argv(program), input=program, capture_output=True, timeout=30, env=environment(tmp_path))
    assert (done.returncode, done.stdout) == (1, b"")
