"""`testbed schema` and `testbed list --parts`: what experiments' files may say, and what they can be made of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from experiments.catalog import ours
from experiments.cli import main
from experiments.json_schema import DRAFT

TIMETABLE = '''\
from experiments.timetables.base import Timetable


class Never(Timetable):
    """Nothing, and says so."""

    def changes(self, duration_s, servers):
        return []
'''


@dataclass(frozen=True)
class Said:
    status: object
    out: str
    err: str


@pytest.fixture
def testbed(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def run(*args: str) -> Said:
        with pytest.raises(SystemExit) as ended:
            main.main(list(args))
        said = capfd.readouterr()
        return Said(ended.value.code, said.out, said.err)

    return run


def test_the_schema_is_printed_or_written_where_nothing_else_is(testbed, tmp_path: Path) -> None:
    printed = testbed("schema")
    assert (printed.status, json.loads(printed.out)["$schema"]) == (0, DRAFT)
    for _ in range(2):  # the second time it is there already
        assert testbed("schema", "--out", "x.json").out == "x.json\n"
    assert (tmp_path / "x.json").read_text() == printed.out
    for text in ("{}", "[", '{"title": 7}'):
        (tmp_path / "mine.json").write_text(text)
        said = testbed("schema", "--out", "mine.json")
        assert said.status == 2
        what = "mine.json: it is there already, and not a schema of experiments' files (name another file with --out)"
        assert said.err == f"testbed: error: {what}\n"
        assert (tmp_path / "mine.json").read_text() == text
    said = testbed("schema", "--out", "nowhere/x.json")
    assert (said.status, said.err) == (
        3,
        "testbed: error: nowhere/x.json: cannot be written: no such directory (name another file with --out)\n",
    )


def test_all_parts_are_listed_with_where_they_are_from(testbed, tmp_path: Path) -> None:
    (tmp_path / "never.py").write_text(TIMETABLE)
    lines = [line.split(maxsplit=3) for line in testbed("list", "--parts", "--part", "never.py").out.splitlines()]
    assert lines[0] == ["kind", "name", "from", "what it is"]
    own = ["timetable", "never.py", "file", "Nothing, and says so."]
    assert [line[:3] for line in lines[1:] if line != own] == [
        [each.kind, each.name, "ours"] for each in ours().entries
    ]
    assert [line[1] for line in lines if line[0] == "timetable"][-1] == "never.py" and own in lines
    assert "timetable.never.py" in json.loads(testbed("schema", "--part", "never.py").out)["$defs"]
    said = testbed("list", "--part", "nothing.py")
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert said.err.startswith("testbed: error: nothing.py: ")


def test_a_packages_parts_are_listed_and_one_that_is_none_is_a_warning(
    testbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "of_others.py").write_text(TIMETABLE)
    information = tmp_path / "of_others-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: of-others\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[testbed.timetables]\nnever = of_others\n[testbed.directors]\nlost = of_nobody\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    said = testbed("list", "--parts")
    assert said.status == 0
    (line,) = [line for line in said.out.splitlines() if "never" in line]
    assert " ".join(line.split()) == "timetable never package of-others Nothing, and says so."
    assert said.err == (
        "testbed: warning: the director 'lost' of the package of-others: lost: its package cannot be found: of_nobody\n"
    )
    found = json.loads(testbed("schema").out)["$defs"]
    assert "timetable.never" in found and "director.lost" not in found
