"""What the command line prints, and what becomes of it where nobody can read it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from rich.table import Table

from experiments.cli import output

TESTBED = [sys.executable, "-m", "experiments"]


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line of a user's shell, in which `testbed` is this toolkit."""
    script = f'testbed() {{ "{sys.executable}" -m experiments "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, check=False, timeout=60, env={**os.environ, **environment}
    )


@pytest.mark.parametrize(
    ("line", "pattern"),
    [
        ("testbed list >/dev/full", b"No space left on device"),
        ("testbed list >&-", b"Bad file descriptor"),
        ("testbed run 7 --dry-run >/dev/full", b"No space left on device"),
        ("testbed show lb >&-", b"Bad file descriptor"),
        ("testbed --help >/dev/full", b"standard output cannot be written: No space left on device"),
        ("testbed --version >/dev/full", b"standard output cannot be written: No space left on device"),
    ],
)
def test_an_output_that_cannot_be_written_is_one_line_and_a_status(line: str, pattern: bytes) -> None:
    done = shell(line)
    assert done.returncode == 1
    assert done.stderr.startswith(b"testbed: error: ") and done.stderr.count(b"\n") == 1
    assert pattern in done.stderr


def test_a_reader_who_has_seen_enough_is_told_nothing() -> None:
    done = shell("testbed list | true; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_drawing_leaves_standard_output_alone() -> None:
    program = (
        "from experiments.cli.output import *\nd = Drawing(width=9)\nd.print('a'); d.print('b\\x1b[2J')\n"
        "tell(d.text())\ntry:\n show(d.text())\nexcept OutputLost as e: tell(e)"
    )
    done = shell(f'"{sys.executable}" -c "$PROGRAM" >/dev/full', PROGRAM=program)
    assert done.stderr == b"a\nb\\x1b[2J\nstandard output cannot be written: No space left on device\n"
    assert done.returncode == 0


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_where_nobody_hears_a_complaint_its_status_remains(where: str) -> None:
    done = shell(f"testbed run nothing-of-that-name {where}")
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")


def test_a_closed_standard_input_is_an_empty_one() -> None:
    done = shell("testbed list <&-")
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_name_that_is_no_text_is_shown_escaped_on_any_terminal() -> None:
    done = shell(r"testbed run $'caf\xe9\x1b[31m'", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.returncode == 2
    assert rb"no experiment 'caf\udce9\x1b[31m'" in done.stderr
    assert b"\x1b" not in done.stderr and done.stderr.count(b"\n") == 1


def test_what_is_shown_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.show("a title\x1b]0;mine\x07 [red]and more\u202e\nsecond line\r")
    assert capsys.readouterr().out == "a title\\x1b]0;mine\\x07 [red]and more\\u202e\nsecond line\\r\n"


def test_a_complaint_is_one_line_whatever_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    output.complain("a/file\nwith\x1b[2J lines")
    assert capsys.readouterr().err == "testbed: error: a/file with\\x1b[2J lines\n"


def test_tables_of_rich_show_foreign_text_as_it_is_and_nothing_of_it_is_obeyed() -> None:
    console = output.Console(width=80)
    table = Table("head")
    table.add_row("[red]cell[/] :smile: \x1b[31m")
    with console.capture() as captured:
        console.print(table)
        console.print("[bold]line\x1b[2J")
    said = captured.get()
    assert "[red]cell[/] :smile: \\x1b[31m" in said and "[bold]line\\x1b[2J" in said
    assert "\x1b" not in said


def test_nothing_of_the_command_line_prints_by_another_way() -> None:
    """`exec` and `shell` pass on a guest's bytes; they have no text of their own to print."""
    folder = Path(output.__file__).parent
    for path in folder.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name != "output.py":
            assert "click.echo(" not in text and not re.search(r"(?<![\w.])print\(", text), path
            assert "rich.console import Console" not in text, path


STOPPED_EARLY = """
import importlib.abc, os, signal, sys

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "experiments.cli.main":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
from experiments.cli.entry import main
main()
"""


def test_ctrl_c_while_the_program_still_starts_is_one_line() -> None:
    ended = subprocess.run([sys.executable, "-c", STOPPED_EARLY, "list"], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "testbed: error: interrupted\n")
    (script,) = metadata.entry_points(group="console_scripts", name="testbed")
    assert script.value == "experiments.cli.entry:main"
