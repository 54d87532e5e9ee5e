"""Experiments that no machine would come to the end of, and files that are made to hurt: one line each."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from experiments import plan as planning
from experiments import toml_source
from testbed.base.errors import ConfigError, TestbedError, UsageError
from testbed.record.point import Point


def refusal(figure: str, *overrides: str, seeds: Sequence[int] = (1,)) -> str:
    with pytest.raises(TestbedError) as caught:
        planning.plan(planning.load(planning.find(figure)), "quick", seeds, overrides)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 400
    return text


@pytest.mark.parametrize(
    ("figure", "overrides", "pattern"),
    [
        ("13", ["timetable.up=0.05 us", "timetable.cycle=0.1 us"], "changes of the routes"),
        ("13", ["workload.duration=1000000 s"], "more than 100000"),
        ("13", ["topology.client_rate=10000 Gbit/s", "topology.server_rate=10000 Gbit/s"], "more than 10 TB"),
        ("13", ["workload.size=2 GB"], "above 1 GB"),
        ("7", ["workload.total=1000000000 GB", "workload.max_requests=10000000"], "more than 10 TB"),
        ("7", ["workload.max_requests=10000001"], "at most 10000000"),
        ("7", ["topology.client_director.delay=61 s"], "above 60 s"),
        ("7", ["topology.client_director.rate=1000000 Gbit/s"], "10000 Gbit/s at most"),
        ("7", [f"topology.client_director.rate={'9' * 400} Mbit/s"], "too many for a rate"),
        ("7", [f"workload.concurrency={'9' * 400}"], "at most 20000"),
        ("7", [f"workload.concurrency={'9' * 5000}"], "a whole number"),
        ("7", [f"workload.concurrency={'[' * 3000}{']' * 3000}"], "a whole number"),
        ("7", ["workload.concurrency=inf"], "a whole number"),
        ("7", ["workload.total=nan MB"], "not a size"),
        ("7", ["mptcp.add_addr_timeout=100000 s"], "above 86400 s"),
    ],
)
def test_what_is_too_large_is_refused_before_anything_runs(figure: str, overrides: list[str], pattern: str) -> None:
    assert pattern in refusal(figure, *overrides)


@pytest.mark.parametrize(("figure", "most"), [("7", (1 << 64) - 1), ("13", (1 << 32) - 1)])
def test_seeds_end_where_the_kernel_takes_no_larger_one(figure: str, most: int) -> None:
    """Beyond it the lab kernel would draw from the host, and two runs would differ."""
    points = planning.plan(planning.load(planning.find(figure)), "quick", range(most, most + 1))
    assert {point.seed for point in points} == {most}
    assert f"takes {most} at most" in refusal(figure, seeds=range(most, most + 2))


def test_more_points_than_anybody_waits_for_are_counted_and_refused() -> None:
    assert "140000 points" in refusal("7", seeds=range(1, 10_001))
    assert "14000000000 points" in refusal("7", seeds=range(1, 10**9 + 1))


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("x = " + "[" * 3000 + "]" * 3000, "nested too deep"),
        ("x = " + "[" * 50 + "]" * 50, "nested more than 20 deep"),
        (".".join("a" * 50) + " = 1", "nested more than 20 deep"),
        ("x = " + "9" * 5000, "too many digits"),
        ('x = "\0"', "illegal character"),
        ("x = 1\nx = 2", "x.toml:2: not valid TOML"),
    ],
)
def test_a_file_that_is_made_to_hurt_is_one_line(tmp_path: Path, text: str, pattern: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=pattern):
        toml_source.read(path)


def test_only_a_regular_file_of_a_sensible_size_is_an_experiment(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * (1 << 21))
    for path in (tmp_path / "fifo.toml", tmp_path / "large.toml", tmp_path, Path("/dev/zero"), Path("a\0b.toml")):
        with pytest.raises(ConfigError, match="cannot be read"):
            toml_source.read(path)


def test_a_mark_at_the_start_and_line_ends_of_other_systems_are_no_error(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\r\nb = 2\r\n")
    assert toml_source.read(path).data == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("old", "new", "pattern"),
    [
        ('"seed": 1', '"seed": 18446744073709551616', "no number of 64 bits"),
        ('"seed": 1', '"seed": -1', "seed"),
        ('"requests": 1000', '"requests": ' + "9" * 400, "64 bits"),
        ('"requests": 1000', '"requests": ' + "[" * 200 + "]" * 200, "nested more than 100 deep"),
        ('"client_director_loss": 0.0', '"client_director_loss": 1e400', "too large a number"),
        ('"client_director_loss": 0.0', '"client_director_loss": NaN', "no number"),
    ],
)
def test_numbers_of_a_point_are_such_that_one_can_count_with(old: str, new: str, pattern: str) -> None:
    (point, *_) = planning.plan(planning.load(planning.find("7")))
    text = point.to_json()
    assert old in text
    with pytest.raises(ConfigError, match=pattern):
        Point.from_json(text.replace(old, new))


def test_a_name_that_becomes_a_directory_has_room_there() -> None:
    """The longest id that a file can bring about is a file's name, with all that is put before and behind it."""
    longest = "x" * 64 + "-" + "y" * 48 + "-" + "z" * 48 + f"-mptcp-{10**9 - 1}B-real-seed{(1 << 64) - 1}"
    assert len(f".partial-{longest}") < 256 and len(f"{longest}-sequence-123456.png") < 256


@pytest.mark.parametrize("title", ["two\nlines", "an\x1b[31mescape", "x" * 201])
def test_a_title_is_a_line_that_can_be_shown(tmp_path: Path, title: str) -> None:
    text = planning.find("7").read_text().replace("Page loads, client-director link at 100 Mbit/s", "TITLE")
    path = tmp_path / "x.toml"
    path.write_text(text.replace('"TITLE"', json.dumps(title)))
    with pytest.raises(ConfigError, match="title"):
        planning.load(path)


def test_options_that_cannot_be_quoted_in_full_are_cut() -> None:
    with pytest.raises(UsageError) as caught:
        planning.plan(planning.load(planning.find("7")), overrides=["nothing=" + "x" * 5000])
    assert len(str(caught.value)) < 500
