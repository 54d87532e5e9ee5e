"""`testbed diff` as a user meets it: what it prints and how it ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import packet_maker as make
import pytest
import run_maker as runs

from analysis.pcap import read_pcap
from experiments.cli import main

Says = tuple[int, str, str]


@pytest.fixture
def testbed(capfd: pytest.CaptureFixture[str]) -> Callable[..., Says]:
    def run(*args: str | Path) -> Says:
        with pytest.raises(SystemExit) as ended:
            main.main([str(arg) for arg in args])
        said = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return run


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    made = runs.load_balancer_point(tmp_path / "ours" / "points" / "fig07-seed1")
    counters = {"before": {}, "after": {"s1": {f"TcpExtCounter{number}": 5 for number in range(20)}}}
    (made / "counters.json").write_text(json.dumps(counters))
    (made / "samples.jsonl").write_text("")
    (made / "digests.json").write_text('{"version": 1, "kernel": "74b81a343f8b", "seed": 1, "files": {}}')
    (tmp_path / "ours" / "run.json").write_text('{"version": 1, "points": ["fig07-seed1"]}')
    return tmp_path / "ours"


@pytest.fixture
def theirs(ours: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ours, tmp_path / "theirs"))


def test_identical_runs(testbed: Callable[..., Says], ours: Path, theirs: Path) -> None:
    assert testbed("diff", ours, theirs) == (0, "fig07-seed1  identical\n", "")


def test_the_first_packet_and_the_counters(testbed: Callable[..., Says], ours: Path, theirs: Path) -> None:
    point = theirs / "points" / "fig07-seed1"
    raw = bytearray((point / "c-eth1.pcap").read_bytes())
    record = int(read_pcap(point / "c-eth1.pcap").record_offset[4])
    raw[record + 16 + 14 + 20 + 13] ^= make.FIN
    (point / "c-eth1.pcap").write_bytes(raw)
    counters = {"before": {}, "after": {"s1": {f"TcpExtCounter{number}": 6 for number in range(20)}}}
    (point / "counters.json").write_text(json.dumps(counters))

    status, out, err = testbed("diff", ours, theirs, "--context", "2")
    assert (status, err) == (1, "")
    assert "A  " in out
    assert f"{theirs / 'points' / 'fig07-seed1'}  seed 1, kernel 74b81a343f8b" in out
    assert "packet 5 of c-eth1, in its flags" in out
    rows = [line.split() for line in out.splitlines()]
    (mine,) = [row for row in rows if row[:1] == ["A"] and "c-eth1" in row]
    (its,) = [row for row in rows if row[:1] == ["B"] and "c-eth1" in row]
    assert "PSH,ACK" in mine
    assert "FIN,PSH,ACK" in its
    assert sum("c-eth1" in row or "c-eth0" in row for row in rows) <= 2 + 2 + 2 + 1
    assert "Counters of the workload that differ: 20" in out
    assert ["s1", "TcpExtCounter0", "5", "6", "+1"] in rows
    assert "and 8 more (--all-counters)" in out
    assert all(line == line.rstrip() for line in out.splitlines())
    assert "TcpExtCounter19" in testbed("diff", ours, theirs, "--all-counters")[1]


def test_a_point_of_one_run_only(testbed: Callable[..., Says], ours: Path, theirs: Path) -> None:
    runs.load_balancer_point(theirs / "points" / "fig07-more", object_bytes=5)
    status, out, _ = testbed("diff", ours, theirs)
    assert (status, out) == (1, "fig07-seed1  identical\nonly B has fig07-more\n")


def test_single_points(testbed: Callable[..., Says], ours: Path, theirs: Path) -> None:
    assert testbed("diff", ours / "points" / "fig07-seed1", theirs / "points" / "fig07-seed1")[0] == 0


@pytest.mark.parametrize("broken", ["nothing", "no point in common", "cut"])
def test_bad_input_is_one_line_and_status_2(
    testbed: Callable[..., Says], ours: Path, theirs: Path, broken: str
) -> None:
    point = theirs / "points" / "fig07-seed1"
    if broken == "nothing":
        shutil.rmtree(theirs)
    elif broken == "cut":
        (point / "c-eth0.pcap").write_bytes(b"\xd4\xc3")
    else:
        runs.change_json(point / "point.json", protocol="tcp")
    status, out, err = testbed("diff", ours, theirs)
    assert (status, out, err.count("\n")) == (2, "", 1)


def test_a_point_that_cannot_be_read_is_named_with_its_run(
    testbed: Callable[..., Says], ours: Path, theirs: Path
) -> None:
    (broken := theirs / "points" / "fig07-seed1").joinpath("point.json").write_text("")
    status, _, said = testbed("diff", ours, theirs)
    assert status == 2
    assert said.startswith(f"testbed: error: {broken}: point.json: not JSON: ") and said.count("\n") == 1
