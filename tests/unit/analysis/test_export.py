"""`testbed export`: one pcapng of all places, as tshark reads it: the same frames, and comments."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import packet_maker as make
import pytest
from report_maker import make_run
from run_maker import MS, START_NS, anycast_point, load_balancer_point, write_json

from analysis.pcap.pcapng_writing import options
from analysis.summary.of_point import analyse_point_fully
from analysis.tables import CAUSES
from experiments.cli import main
from testbed.base import files

FIELDS = (
    "frame.time_epoch",
    "frame.len",
    "frame.cap_len",
    "ip.src",
    "ip.dst",
    "tcp.srcport",
    "tcp.seq_raw",
    "tcp.flags",
)
RST_AT_S1 = (START_NS + 1000 * MS - 10, make.to_client(80, 40001, make.RST, seq=500))


def status(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main.main(["export", *map(str, arguments)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def run_of(directory: Path) -> Path:
    """A run of an anycast point of TCP, with a capture at its server, and of one of MPTCP behind a director."""
    tcp = anycast_point(directory / "run" / "points" / "tcp")
    make.write_pcap(tcp / "s1-eth0.pcap", [RST_AT_S1])
    write_json(tcp / "server_captures.json", [{"node": "s1", "file": "s1-eth0.pcap"}])
    mptcp = load_balancer_point(directory / "run" / "points" / "mptcp")
    made = make_run(directory / "made", [analyse_point_fully(each).summary for each in (tcp, mptcp)])
    (made / "run.json").rename(directory / "run" / "run.json")
    return directory / "run"


def tshark(path: Path, fields: Sequence[str], wanted: str = "") -> list[list[str]]:
    argv = [
        "tshark",
        "-n",
        "-r",
        str(path),
        "-T",
        "fields",
        "-E",
        "separator=/t",
        "-o",
        "tcp.relative_sequence_numbers:FALSE",
    ]
    argv += [word for name in fields for word in ("-e", name)]
    argv += ["-Y", wanted] if wanted else []
    text = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120).stdout
    return [line.split("\t") for line in text.splitlines()]


def test_every_place_has_its_frames_as_they_were_captured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path)
    for point, places in (("tcp", ("c-eth0", "s1-eth0")), ("mptcp", ("c-eth0", "c-eth1"))):
        assert status(run, "--point", point) == 0
        written = run / f"{point}.pcapng"
        assert capsys.readouterr().out.endswith(f"{written}\n")
        for place in places:
            original = tshark(run / "points" / point / f"{place}.pcap", FIELDS)
            assert tshark(written, FIELDS, f'frame.interface_name == "{place}"') == original != []
        assert len(tshark(written, FIELDS)) == sum(
            len(tshark(run / "points" / point / f"{place}.pcap", FIELDS)) for place in places
        )
        times = [float(row[0]) for row in tshark(written, ["frame.time_epoch"])]
        assert times == sorted(times)


def test_comments_say_whose_rst_it_is_and_what_changed(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    assert status(run, "--point", "tcp", "-o", tmp_path / "mine.pcapng") == 0
    resets = analyse_point_fully(run / "points" / "tcp").tables["resets"].to_pylist()
    told = tshark(
        tmp_path / "mine.pcapng", ["frame.comment"], 'tcp.flags.reset == 1 && frame.interface_name == "c-eth0"'
    )
    assert len(told) == len(resets) == 4
    for (comment,), reset in zip(told, resets, strict=True):
        assert f"RST {reset['reset']} by {reset['sender']} (known by: {reset['sender_evidence']})" in comment
        assert f"{reset['cause']}: {CAUSES[reset['cause']]}" in comment
    assert "after s1 was removed at 1.000 s" in told[0][0] and "it ended the connection" in told[0][0]
    described = tshark(tmp_path / "mine.pcapng", ["frame.interface_description"])
    assert {each for (each,) in described} == {"the client", "server s1"}
    ((at_server,),) = tshark(tmp_path / "mine.pcapng", ["frame.comment"], 'frame.interface_name == "s1-eth0"')
    assert at_server == "RST 0, as it left s1"
    changes = tshark(
        tmp_path / "mine.pcapng", ["frame.time_epoch", "frame.comment"], 'frame.comment contains "here: server"'
    )
    assert [comment.partition(",")[0] for _, comment in changes] == ["here: server s1 removed", "here: server s1 added"]
    assert [float(at) - START_NS / 1e9 for at, _ in changes] == [1.0, 3.0]


def test_comments_say_of_which_connection_a_join_is(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    assert status(run, "--point", "mptcp") == 0
    joins = tshark(
        run / "mptcp.pcapng", ["tcp.srcport", "frame.comment"], "tcp.flags == 2 && tcp.options.mptcp.subtype == 1"
    )
    assert joins == [
        ["50001", "MP_JOIN: asks to be subflow 1 of connection 0, at s1"],
        ["50002", "MP_JOIN: asks to be subflow 1 of connection 1, at s1"],
    ]
    begun = tshark(run / "mptcp.pcapng", ["frame.comment"], 'frame.comment contains "begins"')
    assert [comment.split(",")[-2:] for (comment,) in begun][1] == ["connection 1 begins (MPTCP)", " at s1"]


def test_an_export_replaces_an_older_one_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path)
    out = tmp_path / "x.pcapng"
    assert status(run, "--point", "tcp", "--out", out) == status(run, "--point", "tcp", "--out", out) == 0
    manifest = (run / "run.json").read_text()
    for taken in (run / "run.json", run / "points" / "tcp" / "c-eth0.pcap"):
        capsys.readouterr()
        assert status(run, "--point", "tcp", "--out", taken) == 2
        assert capsys.readouterr().err == (
            f"testbed: error: {taken}: it is there already, and not an export (name another file with --out)\n"
        )
    assert (run / "run.json").read_text() == manifest


def test_what_a_killed_export_left_is_gone_after_the_next(tmp_path: Path) -> None:
    run, out = run_of(tmp_path), tmp_path / "x.pcapng"
    ended = subprocess.Popen(["true"])
    ended.wait()
    name = files.draft_path(out).name.replace(str(os.getpid()), str(ended.pid))
    (tmp_path / name).write_bytes(bytes(1000))
    (tmp_path / "mine").touch()
    assert status(run, "--point", "tcp", "--out", out) == 0
    assert not (tmp_path / name).exists() and (tmp_path / "mine").exists()


def test_a_point_that_a_killed_run_left_half_done_is_no_point(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tmp_path)
    (run / "points" / "mptcp").rename(run / "points" / ".partial-mptcp")
    for name in ("mptcp", ".partial-mptcp"):
        assert status(run, "--point", name) == 2
        assert capsys.readouterr().err == f"testbed: error: {run}: no point {name!r} (its points: tcp)\n"
    assert status(run) == 0
    assert capsys.readouterr().out.endswith(f"{run / 'tcp.pcapng'}\n")
    (run / "points" / "tcp").rename(run / "points" / ".partial-tcp")
    assert status(run) == 2
    assert capsys.readouterr().err == f"testbed: error: {run}: the run has no finished point\n"


def test_of_an_invalid_point_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path)
    (run / "points" / "tcp" / "outcome.json").write_text('{"status": "failed", "error": "no ab", "wall_s": 1}')
    assert status(run, "--point", "tcp") == 0
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("testbed: warning: ") and ": invalid: " in said and "no ab" in said


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path)
    capsys.readouterr()
    for arguments, said in (
        ((run,), f"{run}: which point? (--point ID; its points: mptcp, tcp)"),
        ((run, "--point", "tpc"), f"{run}: no point 'tpc' (its points: tcp)"),
        ((run, "--point", "../made"), f"{run}: no point '../made' (its points: mptcp, tcp)"),
        ((tmp_path,), f"{tmp_path}: not a run directory: it has no run.json"),
        (
            (run, "--point", "tcp", "-o", "-"),
            "--out -: an export is a file, it is not printed (name a file with --out)",
        ),
    ):
        assert status(*arguments) == 2
        assert capsys.readouterr().err == f"testbed: error: {said}\n"
    (run / "points" / "tcp" / "c-eth0.pcap").unlink()
    assert status(run, "--point", "tcp") == 2
    assert "no packets: " in capsys.readouterr().err and not (run / "tcp.pcapng").exists()


def test_a_capture_that_ends_in_a_record_is_written_as_far_as_it_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tmp_path)
    capture = run / "points" / "tcp" / "c-eth0.pcap"
    capture.write_bytes(capture.read_bytes()[:-3])
    assert status(run, "--point", "tcp") == 0
    assert "testbed: warning: c-eth0.pcap: truncated record at byte" in capsys.readouterr().err
    assert (
        "INVALID"
        in subprocess.run(["capinfos", "-k", run / "tcp.pcapng"], capture_output=True, text=True, check=True).stdout
    )


def test_options_are_padded_cut_and_ended() -> None:
    assert options() == options((1, "")) == b""
    assert options((1, "abcde")) == b"\x01\x00\x05\x00abcde\x00\x00\x00" + bytes(4)
    long = options((1, "é" * 40_000))
    assert len(long) == 4 + 65_536 + 4 and long[2:4] == (65_534).to_bytes(2, "little")
    assert json.dumps("é" * 32_767, ensure_ascii=False)[1:-1].encode() == long[4:-6]
