"""The page of the local lab, docs/labs/local.md, whose commands the tests run."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "labs" / "local.md"

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
Page = dict[str, list[str]]


def commands() -> dict[str, list[str]]:
    """The commands in the shell block of the lab's page by their first word, as lists of arguments."""
    text = "".join(re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
    lines = [shlex.split(line, comments=True) for line in text.replace("\\\n", " ").splitlines()]
    assert all(words[0] == "testbed" for words in lines)
    return {words[1]: words[1:] for words in lines}
