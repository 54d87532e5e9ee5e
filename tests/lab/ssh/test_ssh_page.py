"""The page of the ssh lab says what is so: each of its commands is run, in order."""

from __future__ import annotations

import json
import shlex

import pytest
from ssh_host import Host
from ssh_user import REPOSITORY, Here, commands_of

PAGE = REPOSITORY / "docs" / "labs" / "ssh.md"


@pytest.mark.skipif("os.geteuid() != 0", reason="the other side's local lab needs root")
@pytest.mark.usefixtures("provided")
def test_the_commands_of_the_page(here: Here, host: Host) -> None:
    config = here.home / ".ssh" / "config"
    config.write_text("".join(config.read_text().replace("Host far", f"Host {name}") for name in ("lab1", "lab2")))
    commands = [shlex.split(command) for command in commands_of(PAGE)]
    assert [words[1] for words in commands] == ["doctor", "exec", "exec", "run", "clean", "clean"]
    # The last one removes the toolkit, which the other tests need.
    for testbed, *arguments in commands[:-1]:
        assert testbed == "testbed"
        done = here.testbed(*arguments)
        assert done.returncode == 0, (arguments, done.stderr)
    labs = [json.loads(path.read_text())["lab"] for path in (here.work / "shared").glob("points/*/outcome.json")]
    assert len(labs) == 2 and set(labs) <= {"ssh:lab1", "ssh:lab2"}
