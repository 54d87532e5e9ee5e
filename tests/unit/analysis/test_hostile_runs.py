"""A run directory that somebody else made: what cannot be read, or cannot be, makes a point invalid in a short line."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import run_maker as runs

from analysis.summary.model import PointSummary, read_summary, write_json
from analysis.summary.of_point import analyse_point_fully
from analysis.summary.of_run import point_directories, stack
from testbed.base.errors import AnalysisError
from testbed.record import writing as output
from testbed.record.captures import read_captures

LIMIT_S = 10.0
JSON = ("point.json", "outcome.json", "events.jsonl", "addresses.json", "captures.json")


@pytest.fixture
def point(tmp_path: Path) -> Path:
    return runs.load_balancer_point(tmp_path / "points" / "p")


def replace_by(kind: str, path: Path) -> None:
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    elif kind == "large":
        with path.open("wb") as file:
            file.truncate(1 << 30)
    else:
        path.write_bytes({"deep": b"[" * 200_000, "binary": bytes(range(256)), "nan": b'{"t": NaN}'}[kind])


@pytest.mark.parametrize("kind", ["fifo", "directory", "zero", "large", "deep", "binary", "nan"])
@pytest.mark.parametrize("name", [*JSON, "ab.txt"])
def test_a_file_that_is_none_makes_the_point_invalid_and_says_which(point: Path, name: str, kind: str) -> None:
    replace_by(kind, point / name)
    started = time.monotonic()
    found = analyse_point_fully(point)
    assert time.monotonic() - started < LIMIT_S
    assert not found.summary.valid
    assert any(name in reason for reason in found.summary.invalid_reasons)
    assert all("\n" not in reason and len(reason) < 300 for reason in found.summary.invalid_reasons)
    assert not any("the analysis failed" in reason for reason in found.summary.invalid_reasons)
    stack([found])


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("point.json", "id", "../../x"),
        ("point.json", "id", "p\nCOMMAND #"),
        ("point.json", "figure", "\ud800"),
        ("point.json", "object_bytes", 2**63),
        ("point.json", "object_bytes", "9" * 400),
        ("outcome.json", "kernel_warnings", 5),
        ("outcome.json", "wall_s", "x" * 100_000),
        ("addresses.json", "client", "x" * 100_000),
    ],
)
def test_a_value_that_cannot_be_is_named_in_short(point: Path, name: str, key: str, value: Any) -> None:
    raw = json.loads((point / name).read_text())
    runs.write_json(point / name, raw | {key: value})
    found = analyse_point_fully(point)
    (reason, *_) = [each for each in found.summary.invalid_reasons if name in each]
    assert len(reason) < 300 and "\n" not in reason
    assert found.summary.id == "p"
    stack([found])


def test_the_moment_of_an_event_has_bounds(point: Path) -> None:
    with (point / "events.jsonl").open("a") as file:
        file.write('{"t": 1e18, "event": "server-removed", "server": "s1"}\n')
    reasons = analyse_point_fully(point).summary.invalid_reasons
    assert "events.jsonl:3: 't' is 1e+18, which is beyond all bounds" in reasons


@pytest.mark.parametrize("number", ["1.2.3", "9" * 400, "1e5", "-1", ""])
def test_what_is_no_number_in_the_output_of_ab_is_named(point: Path, number: str) -> None:
    text = (point / "ab.txt").read_text().replace("Complete requests:      2", f"Complete requests:      {number}")
    (point / "ab.txt").write_text(text)
    assert any("'Complete requests'" in reason for reason in analyse_point_fully(point).summary.invalid_reasons)


@pytest.mark.parametrize("file", ["a\nb", "..", "/"])
def test_a_capture_is_a_file_of_the_point(point: Path, file: str) -> None:
    raw = json.loads((point / "captures.json").read_text())
    runs.write_json(point / "captures.json", [raw[0] | {"file": file}])
    if file == "..":  # a directory, which the reader of captures refuses
        assert read_captures(point)[0].file == ".."
    else:
        with pytest.raises(AnalysisError, match="names no file"):
            read_captures(point)
    assert not analyse_point_fully(point).summary.valid


@pytest.mark.parametrize("linked", ["points", "points/p"])
def test_linked_directories_of_points_are_refused(point: Path, tmp_path: Path, linked: str) -> None:
    (tmp_path / linked).rename(tmp_path / "away")
    (tmp_path / linked).symlink_to(tmp_path / "away")
    with pytest.raises(AnalysisError, match="a link, which is not followed"):
        point_directories(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../../x"}, {"id": 5}, {"goodput_bps": "fast"}, {"goodput_bps": 1e300}, {"condition": ["x"]},
        {"parameters": 0}, {"valid": "yes"}, {"per_second": 5}, {"title": None},
        {"per_second": {"utilisation_bps": [1, 2], "resets": [], "resets_received": [], "churn": []}},
    ],
)  # fmt: skip
def test_a_summary_with_a_value_that_cannot_be_is_one_line(tmp_path: Path, change: dict[str, Any]) -> None:
    path = write_json(tmp_path, [PointSummary(id="p")])
    document = json.loads(path.read_text())
    document["points"][0] |= change
    path.write_text(json.dumps(document))
    with pytest.raises(AnalysisError) as caught:
        read_summary(tmp_path)
    said = str(caught.value)
    assert said.startswith(f"{path}: not a summary: ") and "\n" not in said and len(said) < 400
    if change.get("goodput_bps") == 1e300:
        assert said.endswith("'points.0.goodput_bps' is 1e+300, which is beyond all bounds")


def test_drafts_that_were_guessed_and_links_in_a_run_are_not_written_through(tmp_path: Path) -> None:
    """Somebody has put links where older toolkits wrote first."""
    mine = tmp_path / "mine"
    mine.write_text("mine")
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text('{"version": 1, "points": []}')
    (run / "summary.txt").symlink_to(mine)
    for pid in range(os.getpid() - 5, os.getpid() + 5):
        (run / f".summary.txt.{pid}").symlink_to(mine)
    output.write_text(run / "summary.txt", "ours")
    assert mine.read_text() == "mine"
    assert (run / "summary.txt").read_text() == "ours" and not (run / "summary.txt").is_symlink()


def test_in_a_users_directory_only_what_we_made_is_replaced(tmp_path: Path) -> None:
    output.write_text(tmp_path / "ours.txt", "one")
    output.write_text(tmp_path / "ours.txt", "two")
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(AnalysisError, match="testbed did not make it"):
        output.write_text(tmp_path / "mine.txt", "ours")
    assert (tmp_path / "mine.txt").read_text() == "mine"
