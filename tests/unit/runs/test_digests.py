from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from testbed.base.errors import AnalysisError
from testbed.record.digests import Digests, read_digests
from testbed.runs import digests


@pytest.fixture
def point(tmp_path: Path) -> Path:
    (tmp_path / "ab.txt").write_text("Complete requests: 2\n")
    (tmp_path / "c-eth0.pcap").write_bytes(b"packets")
    (tmp_path / "outcome.json").write_text('{"wall_s": 12.3}')
    (tmp_path / ".ab.txt.4711").write_text("half")
    (tmp_path / "guest").mkdir()
    (tmp_path / "guest" / "console.log").write_text("pid 4711")
    return tmp_path


def test_what_must_repeat_is_digested_and_what_cannot_is_not(point: Path) -> None:
    made = digests.write(point, kernel="74b81a343f8b", seed=3)
    assert made.files == {
        "ab.txt": hashlib.sha256(b"Complete requests: 2\n").hexdigest(),
        "c-eth0.pcap": hashlib.sha256(b"packets").hexdigest(),
    }
    assert read_digests(point) == made
    assert digests.write(point, kernel="74b81a343f8b", seed=3) == made  # it does not digest itself


def test_a_file_that_one_side_lacks_differs_too() -> None:
    one = Digests(version=1, kernel="k", seed=1, files={"a": "1", "b": "2", "c": "3"})
    other = Digests(version=1, kernel="k", seed=1, files={"a": "1", "b": "x", "d": "4"})
    assert one.differing(other) == ["b", "c", "d"]
    assert one.differing(one) == []


def test_a_point_without_digests_has_none(tmp_path: Path) -> None:
    assert read_digests(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2}', '{"version": 1, "kernel": "k", "seed": 1}'])
def test_what_is_no_digests_file_is_named(point: Path, text: str) -> None:
    (point / "digests.json").write_text(text)
    with pytest.raises(AnalysisError, match=r"digests\.json"):
        read_digests(point)


def test_the_file_is_plain_json(point: Path) -> None:
    digests.write(point, kernel="k", seed=1)
    raw = json.loads((point / "digests.json").read_text())
    assert (raw["version"], raw["kernel"], raw["seed"], sorted(raw["files"])) == (1, "k", 1, ["ab.txt", "c-eth0.pcap"])
