"""Results from a machine that may be anybody's: what it may do here, and what it may not."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from testbed.base.errors import LabError, PrerequisiteError
from testbed.labs.ssh import contents as listing
from testbed.labs.ssh import retrieval
from testbed.labs.ssh.connection import Connection, ConnectionLost
from testbed.labs.ssh.remote import protocol
from testbed.labs.ssh.remote.protocol import ProtocolError


class Remote:
    """The other side of a connection: says what it is told to say, in answer to the one command that there is."""

    address = "me@box"

    def __init__(self, said: bytes) -> None:
        self._said = said
        self.asked: list[str] = []

    @contextlib.contextmanager
    def short_channel(self, _command: str) -> Iterator[Remote]:
        yield self

    def sendall(self, data: bytes) -> None:
        self.asked = json.loads(data)

    def recv(self, count: int) -> bytes:
        data, self._said = self._said[:count], self._said[count:]
        return data


def listed(name: str, content: bytes, mode: int = 0o644, size: int | None = None) -> list[Any]:
    return [name, len(content) if size is None else size, hashlib.sha256(content).hexdigest(), mode]


def sent(files: dict[str, bytes], done: bool = True) -> bytes:
    frames = b"".join(protocol.frame({"file": name}, content) for name, content in files.items() if content)
    return frames + (protocol.frame({"done": True}) if done else b"")


def fetch(target: Path, said: bytes = b"", **contents: list[Any]) -> tuple[list[str], list[str]]:
    """Fetch what the other side lists and sends; the names that were asked for, and what was reported."""
    reported: list[str] = []
    remote = Remote(said)
    whole = {"files": [], "links": [], "directories": [], **contents}
    parsed = listing.parse_contents(json.loads(json.dumps(whole)), "me@box")
    retrieval.fetch(cast(Connection, remote), parsed, "send", target, report=reported.append)
    return remote.asked, reported


FILES = {"run.json": b"{}", "points/a b/ab.txt": b"x" * 300_000, "empty": b"", "caf\udce9": b"name"}


def test_files_links_and_directories_arrive_and_are_not_fetched_twice(tmp_path: Path) -> None:
    contents = {
        "files": [listed(name, content) for name, content in FILES.items()],
        "directories": ["points", "points/a b", "nothing in it"],
        "links": [["latest", "points/a b"], ["points/up", "../run.json"], ["dangling", "nowhere"]],
    }
    asked, reported = fetch(tmp_path, sent(FILES), **contents)
    assert asked == list(FILES) and reported == []
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == FILES
    assert (tmp_path / "nothing in it").is_dir()
    assert (tmp_path / "latest" / "ab.txt").is_file() and (tmp_path / "points" / "up").read_bytes() == b"{}"
    assert b"caf\xe9" in [os.fsencode(path.name) for path in tmp_path.iterdir()]
    assert fetch(tmp_path, b"", **contents) == ([], [])
    assert [path.name for path in tmp_path.rglob(".*")] == []


@pytest.mark.parametrize("mode", [0o4755, 0o6777, 0o2755, 0o1777, 0o100, 0o644, 0o666, 0o000])
def test_of_a_files_mode_it_says_only_whether_it_is_a_program(tmp_path: Path, mode: int) -> None:
    before = os.umask(0o027)
    try:
        fetch(tmp_path, sent({"f": b"x"}), files=[listed("f", b"x", mode)])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == (0o750 if mode & 0o100 else 0o640)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "..", ".", "", "a\0b", "\ud800", 7, None, ["a"]])
@pytest.mark.parametrize("kind", ["files", "links", "directories"])
def test_names_outside_of_the_output_are_refused(tmp_path: Path, name: object, kind: str) -> None:
    entry = {"files": [name, 1, "0" * 64, 0o644], "links": [name, "x"], "directories": name}[kind]
    with pytest.raises(ProtocolError, match="me@box: its list of results"):
        fetch(tmp_path, **{kind: [entry]})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "said",
    [
        None,
        7,
        [],
        {},
        {"files": [], "links": []},
        {"files": 3, "links": [], "directories": []},
        {"files": [["a", 1]], "links": [], "directories": []},
        {"files": [["a", -1, "0", 1]], "links": [], "directories": []},
        {"files": [["a", "1", "0", 1]], "links": [], "directories": []},
        {"files": [["a", 1, None, 1]], "links": [], "directories": []},
        {"files": [["a", 1, "0", True]], "links": [], "directories": []},
        {"files": [], "links": ["a"], "directories": []},
        {"files": [], "links": [["a", None]], "directories": []},
        {"files": [], "links": [], "directories": {"a": 1}.keys()},
        {"files": [], "links": [], "directories": ["a"] * 100_001},
    ],
)
def test_a_list_that_makes_no_sense_is_refused(said: object) -> None:
    if isinstance(said, dict) and not isinstance(said.get("directories", []), list):
        said["directories"] = {"..": 1}
    with pytest.raises(ProtocolError, match="me@box: ") as caught:
        listing.parse_contents(said, "me@box")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "points_to",
    ["/etc/passwd", "..", "../x", "sub/../../x", "../../etc", "sub/..", "./../x", "", "sub/../../../x"],
)
def test_links_that_lead_out_are_left_out_and_named(tmp_path: Path, points_to: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    _asked, reported = fetch(out, links=[["sub", "."], ["esc\x1b[2Jape", points_to], ["x", points_to]])
    assert sorted(path.name for path in out.iterdir()) == ["sub"]
    (said,) = reported
    assert "links that lead out of the results" in said and "esc\\x1b[2Jape -> " in said and "and 1 more" in said


def test_no_chain_of_links_leads_out(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    fetch(out, directories=["d/e"], links=[["d/root", ".."], ["d/e/root", "../.."], ["d/up", "root/.."]])
    assert (out / "d" / "root").resolve() == out and (out / "d" / "e" / "root").resolve() == out
    assert not (out / "d" / "up").is_symlink()


@pytest.mark.parametrize("name", ["f", ".f.part"])
def test_nothing_is_written_through_a_link_of_an_earlier_fetch(tmp_path: Path, name: str) -> None:
    mine, out = tmp_path / "mine", tmp_path / "out"
    mine.write_text("precious")
    out.mkdir()
    (out / name).symlink_to(mine)
    fetch(out, sent({"f": b"x"}), files=[listed("f", b"x")])
    assert mine.read_text() == "precious"
    assert (out / "f").read_bytes() == b"x" and not (out / "f").is_symlink()


@pytest.mark.parametrize("kind", ["files", "directories", "links"])
def test_nothing_is_written_behind_a_linked_directory(tmp_path: Path, kind: str) -> None:
    mine, out = tmp_path / "mine", tmp_path / "out"
    for each in (mine, out):
        each.mkdir()
    (out / "d").symlink_to(mine)
    entry = {"files": listed("d/f", b"x"), "directories": "d/e", "links": ["d/l", "x"]}[kind]
    with pytest.raises(PrerequisiteError, match="links are not followed"):
        fetch(out, sent({"d/f": b"x"}), **{kind: [entry]})
    assert list(mine.iterdir()) == []


def test_a_directory_of_the_user_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "mine").write_text("precious")
    with pytest.raises(PrerequisiteError, match="f: the results cannot be written here"):
        fetch(tmp_path, sent({"f": b"x"}), files=[listed("f", b"x")])
    assert (tmp_path / "f" / "mine").read_text() == "precious"
    _asked, reported = fetch(tmp_path, links=[["f", "x"]])
    assert "lie where a file is" in reported[0] and (tmp_path / "f" / "mine").exists()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (sent({"f": b"y"}), "did not arrive as it is there"),
        (sent({"f": b"xx"}), "not as long as announced"),
        (sent({}), "did not arrive as it is there"),
        (sent({"g": b"x"}), "did not arrive as it is there"),
        (b'{"file": "f"}\n' * 3, "not as long as announced"),
        (protocol.frame({"error": "/x: \x1b[2Jgone"}), r"/x: \\x1b\[2Jgone"),
        (b"hello\n", "does not speak our language"),
        (b"[" * 200_000 + b"\n", "does not speak our language"),
        (b'{"bytes": 99999999999}\n', "does not speak our language"),
        (b"x" * ((1 << 24) + 1), "a line without an end"),
    ],
)
def test_what_does_not_arrive_as_announced_leaves_nothing(tmp_path: Path, said: bytes, error: str) -> None:
    with pytest.raises(LabError, match=error) as caught:
        fetch(tmp_path, said, files=[listed("f", b"x")])
    assert list(tmp_path.iterdir()) == [] and "\x1b" not in str(caught.value)


def test_a_connection_that_breaks_leaves_nothing_half(tmp_path: Path) -> None:
    with pytest.raises(ConnectionLost):
        fetch(tmp_path, sent({"f": b"x"}, done=False), files=[listed("f", b"xy")])
    assert list(tmp_path.iterdir()) == []


def test_more_than_the_disk_has_room_for_is_refused_before_it_comes(tmp_path: Path) -> None:
    size = shutil.disk_usage(tmp_path).free + 1
    with pytest.raises(PrerequisiteError, match=r"the results need .* MB"):
        fetch(tmp_path, files=[listed("f", b"x", size=size)])
    assert list(tmp_path.iterdir()) == []
