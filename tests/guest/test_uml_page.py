"""The page of the embedded lab says what is so: each of its commands is run, in order."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "labs" / "uml.md"


def test_the_commands_of_the_page(lab, tmp_path: Path) -> None:
    block = PAGE.read_text(encoding="utf-8").split("```sh\n", 1)[1].split("```", 1)[0]
    commands = [shlex.split(line, comments=True) for line in block.replace("\\\n", " ").splitlines()]
    assert [words[1] for words in commands] == ["doctor", "exec", "run", "verify", "clean"]
    said = {}
    for testbed, *arguments in commands:
        assert testbed == "testbed"
        argv = [sys.executable, "-m", "experiments", *arguments]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        said[arguments[0]] = done.stdout
    assert said["exec"].startswith("6.12.")
    assert (tmp_path / "pages" / "summary.json").exists()
