"""The manual pages say what the commands say, and a shell completes what there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
PAGES = CHECKOUT / "docs" / "man"
ASK = """
. {script}
COMP_WORDS=({words} "{begun}") COMP_CWORD={count}
_testbed_completion testbed
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def test_the_pages_are_those_of_the_commands(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "experiments.cli.man_pages", tmp_path], cwd=CHECKOUT, check=True)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert len(made) > 30 and {"testbed.1", "testbed-run.1", "testbed-kernel-build.1"} <= set(made)
    assert {path.name: path.read_text() for path in PAGES.iterdir()} == made, "run: make man"


def test_no_word_of_a_page_is_taken_for_a_request_of_the_formatter() -> None:
    for path in PAGES.iterdir():
        lines = path.read_text().splitlines()
        requests = {line.split()[0] for line in lines if line.startswith((".", "'"))}
        assert requests <= {".TH", ".SH", ".PP", ".TP", ".B"}, path


def test_the_pages_can_be_formatted() -> None:
    pages = sorted(PAGES.iterdir())
    done = subprocess.run(["groff", "-man", "-Tascii", "-ww", *pages], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "testbed-run - Run experiments" in re.sub(r".\x08|\x1b\[\d+m", "", done.stdout)


def completed(words: str, begun: str) -> list[str]:
    """What bash completes after these words, where this is begun; it ends files and directories itself."""
    count = len(words.split())
    script = ASK.format(script=CHECKOUT / "docs/completion/testbed", words=words, count=count, begun=begun)
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True, timeout=60)
    # It is asked outside of a shell that edits a line.
    said = [line for line in done.stderr.splitlines() if "compopt: not currently" not in line]
    assert said == []
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "begun", "found"),
    [
        ("testbed", "an", ["analyze"]),
        ("testbed", "--ver", ["--version"]),
        ("testbed kernel", "", ["build", "status", "path", "test"]),
        ("testbed kernel build --release", "7", ["7.3"]),
        ("testbed analyze", "--serv", ["--service"]),
        ("testbed run", "fig1", ["fig10", "fig11", "fig13", "fig14"]),
        ("testbed show", "any", ["anycast"]),
        ("testbed run --scheme", "pap", ["paper"]),
    ],
)
def test_bash_completes_what_there_is(words: str, begun: str, found: list[str]) -> None:
    assert completed(words, begun) == found
