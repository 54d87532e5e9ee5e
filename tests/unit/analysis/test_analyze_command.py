"""`testbed analyze` as a user meets it: runs, captures from anywhere, and every kind of wrong input."""

from __future__ import annotations

import csv
import ipaddress
import json
from collections.abc import Callable
from pathlib import Path

import download_maker as given
import frame_encoder as encode
import observation_maker as seen
import packet_maker as make
import pytest
import run_maker as runs
from observation_maker import S, T

from analysis.summary.model import read_summary
from analysis.tables import TABLES, read_table

Says = tuple[int, str, str]
KEY = b"AAAAAAAA"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with a valid load-balancer point and an anycast point."""
    directory = tmp_path / "run"
    runs.load_balancer_point(directory / "points" / "fig07-seed1")
    runs.anycast_point(directory / "points" / "fig13-seed1")
    points = ["fig07-seed1", "fig13-seed1"]
    (directory / "run.json").write_text(json.dumps({"version": 1, "state": "complete", "points": points}))
    return directory


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """An MPTCP connection with a join to 10.0.3.101, and a TCP connection that a RST ends."""
    frames = [*make.handshake(T, 40001, key=KEY), *make.join(T + S, 50001, KEY),
              make.data(T + 2 * S, 50001, 500, past=True)]  # fmt: skip
    return make.write_pcap(tmp_path / "lab.pcap", frames)


def test_a_run_gets_tables_summary_and_figures_again(analyze: Callable[..., Says], run: Path) -> None:
    status, out, err = analyze(run)
    assert (status, err) == (0, "")
    assert "fig13-seed1\n  2 connections, 1 survived" in out
    assert "1 of the subflows began before the capture" in out  # its first payload comes before the SYN
    assert "reset by s1: no-socket after s1 was removed at 1.0 s" in out
    assert [point.id for point in read_summary(run)] == ["fig07-seed1", "fig13-seed1"]
    for name in TABLES:
        assert read_table(run, name).schema.equals(TABLES[name].schema, check_metadata=True)
        with (run / "tables" / f"{name}.csv").open() as file:
            assert next(csv.reader(file)) == [field.name for field in TABLES[name].fields]
    assert read_table(run, "connections").column("point").to_pylist() == ["fig07-seed1"] * 2 + ["fig13-seed1"] * 2
    assert (run / "figures" / "fig13.png").exists()


def test_out_leaves_the_run_as_it_is(analyze: Callable[..., Says], run: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in run.iterdir())
    assert analyze(run, "--out", tmp_path / "new")[0] == 0
    assert sorted(path.name for path in run.iterdir()) == before
    assert read_table(tmp_path / "new", "resets").num_rows == 4


def test_the_roles_in_foreign_captures_are_guessed(analyze: Callable[..., Says], capture: Path, tmp_path: Path) -> None:
    status, out, err = analyze(capture, "--out", tmp_path / "out", "--packets")
    assert (status, err) == (0, "")
    assert f"service: {make.VIP}\nunique: {make.UNIQUE}\nclients: {make.CLIENT}, {make.CLIENT_DIRECT}\n" in out
    (row,) = read_table(tmp_path / "out", "connections").to_pylist()
    assert (row["point"], row["protocol"], row["subflows"], row["past_share"]) == ("lab", "mptcp", 2, 1.0)
    assert read_table(tmp_path / "out", "packets").num_rows == 5
    assert not (tmp_path / "out" / "tables" / "samples.parquet").exists()


def test_roles_can_be_given(analyze: Callable[..., Says], capture: Path) -> None:
    status, out, _ = analyze(capture, "--service", f"{make.VIP}:80", "--unique", "10.9.9.9")
    assert status == 0
    assert "service: 10.0.1.80\nunique: 10.9.9.9\n" in out
    assert "note: no packet of the server 10.9.9.9 in the captures\n" in out
    out = analyze(capture, "--unique", make.UNIQUE)[1]
    assert f"unique: {make.UNIQUE}\n" in out and "no packet of the server" not in out


@pytest.mark.parametrize(
    ("address", "whose"), [(make.CLIENT, "a client's"), (make.CLIENT_DIRECT, "a client's"), (make.VIP, "the service's")]
)
def test_an_address_of_somebody_else_is_no_servers_own(
    analyze: Callable[..., Says], capture: Path, address: str, whose: str
) -> None:
    hint = "(leave it out, or say which the service is with --service)"
    assert analyze(capture, "--unique", address) == (
        2,
        "",
        f"testbed: error: {address} is {whose} in the captures, and no server's own {hint}\n",
    )


def test_plain_tcp_from_anywhere(analyze: Callable[..., Says], tmp_path: Path) -> None:
    path = make.write_pcap(tmp_path / "a.pcap", [*seen.tcp(40001), seen.stray_reset(40001, 1.0, 5001)])
    status, out, _ = analyze(path)
    assert status == 0
    assert "reset by the server: no-socket" in out
    assert "1 RSTs, 1 of them ended a connection" in out


def test_two_places_tell_the_same_as_one(analyze: Callable[..., Says], tmp_path: Path) -> None:
    frames = [*seen.tcp(40001), *seen.body(40001, 0.5, 5001, 300)]
    one = make.write_pcap(tmp_path / "c.pcap", frames)
    two = make.write_pcap(tmp_path / "s.pcap", [(t + 1000, frame[:22] + b"\x3f" + frame[23:]) for t, frame in frames])
    alone, both = analyze(one)[1], analyze(one, two)[1]
    assert alone.replace("c\n", "c+s\n", 1) == both


def test_a_capture_cut_in_a_record_gives_what_is_readable_and_status_6(
    analyze: Callable[..., Says], capture: Path
) -> None:
    capture.write_bytes(capture.read_bytes()[:-10])
    status, out, err = analyze(capture)
    assert status == 6
    assert "1 connections, 1 survived" in out
    assert err.startswith("testbed: error: not whole: lab.pcap: truncated record at byte ")
    assert err.count("\n") == 1


def wrong(tmp_path: Path, kind: str) -> tuple[list[str | Path], str]:
    """Arguments that cannot be, and what is said about them."""
    path = tmp_path / kind
    if kind == "absent":
        return [path], f"{path}: no such file or directory (name the directory of a run, or captures)"
    if kind == "text":
        path.write_text("no capture at all, but long enough")
        return [path], f"{path}: not a pcap or pcapng file"
    if kind == "empty":
        path.write_bytes(b"")
        return [path], f"{path}: the capture is empty"
    if kind == "no-packets":
        make.write_pcap(path, [])
        return [path], f"{path}: no TCP packet in it"
    if kind == "midstream":
        make.write_pcap(path, [make.data(T, 40001, 5)])
        return [path], "no SYN in the captures: who is the server? (say it with --service ADDR:PORT)"
    if kind == "stranger":
        make.write_pcap(path, [make.data(T, 40001, 5)])
        return [path, "--service", "10.8.8.8:80"], "no packet to the service 10.8.8.8:80 in the captures"
    if kind == "ipv6-stranger":
        client, server = (ipaddress.ip_address(f"2001:db8::{each}") for each in (2, 80))
        make.write_pcap(path, [(T, encode.Packet(client, server, dport=80).frame(1))])
        return [path, "--service", "[2001:db8::80]:443"], "no packet to the service [2001:db8::80]:443 in the captures"
    if kind == "service":
        make.write_pcap(path, [make.data(T, 40001, 5)])
        hint = "(such as 10.0.1.80:80 or [2001:db8::1]:80)"
        return [path, "--service", "10.8.8.8"], f"--service 10.8.8.8: not an address and a port {hint}"
    if kind == "unique":
        make.write_pcap(path, seen.tcp(40001))
        return [path, "--unique", "server"], "'server' is not an IP address"
    if kind == "packets":
        make.write_pcap(path, seen.tcp(40001))
        return [path, "--packets"], "--packets: where to? (name a directory with --out)"
    path.mkdir()
    if kind == "directory":
        return [path], f"{path}: not a run directory: it has no run.json"
    if kind == "directory-of-captures":
        make.write_pcap(path / "a.pcap", seen.tcp(40001))
        return [path], f"{path}: not a run directory: it has no run.json (its captures: {path}/*.pcap)"
    (path / "points").mkdir()
    if kind == "newer":
        (path / "run.json").write_text('{"version": 2, "points": []}')
        return [path], f"{path}/run.json: version 2, but this toolkit reads version 1"
    (path / "run.json").write_text('{"version": 1, "points": ["a"]}')
    if kind == "no-points":
        return [path], f"{path}: the run has no finished point"
    if kind == "two":
        return [path, path], f"{path}: a run is analysed alone (name one run, or captures)"
    assert kind == "roles-of-a-run"
    return [path, "--unique", "10.0.0.1"], (
        "--service, --unique and --packets are for captures (leave them out: a run says who is who)"
    )


@pytest.mark.parametrize(
    "kind",
    ["absent", "text", "empty", "no-packets", "midstream", "stranger", "ipv6-stranger", "service", "unique", "packets",
     "directory", "directory-of-captures", "newer", "no-points", "two", "roles-of-a-run"],
)  # fmt: skip
def test_wrong_input_is_one_line_and_status_2(analyze: Callable[..., Says], tmp_path: Path, kind: str) -> None:
    arguments, message = wrong(tmp_path, kind)
    assert analyze(*arguments) == (2, "", f"testbed: error: {message}\n")


def test_a_truncated_capture_in_a_run_makes_its_point_invalid(analyze: Callable[..., Says], run: Path) -> None:
    path = run / "points" / "fig07-seed1" / "c-eth0.pcap"
    path.write_bytes(path.read_bytes()[:-10])
    status, _, err = analyze(run)
    assert status == 6
    assert (
        "1 of 2 points failed or are invalid: fig07-seed1: capture is not whole: c-eth0.pcap: truncated record at byte"
        in err
    )


def test_a_directory_that_cannot_be_written_is_one_line(
    analyze: Callable[..., Says], capture: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    status, _, err = analyze(capture, "--out", tmp_path / "file" / "out")
    assert status == 2
    assert err == f"testbed: error: {tmp_path}/file/out/tables: cannot be written: Not a directory\n"


def test_a_link_that_leads_nowhere_is_no_directory(analyze: Callable[..., Says], capture: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("gone")
    message = f"{tmp_path}/link: cannot be written: a link that leads nowhere (name another with --out)"
    assert analyze(capture, "--out", tmp_path / "link") == (2, "", f"testbed: error: {message}\n")
    assert not (tmp_path / "gone").exists()


def test_what_was_found_about_files_and_clocks_is_said_and_no_error(
    analyze: Callable[..., Says], tmp_path: Path
) -> None:
    frames = given.download()
    first = make.write_pcap(tmp_path / "rotated-0.pcap", frames[:40], snap=2000)
    second = make.write_pcap(tmp_path / "rotated-1.pcap", frames[40:], snap=2000)
    status, out, err = analyze(second, first, "--out", tmp_path / "out")
    assert (status, err) == (0, "")
    assert "note: rotated-0.pcap, rotated-1.pcap: one capture, one after the other\n" in out
    (row,) = read_table(tmp_path / "out", "connections").to_pylist()
    assert row["bytes_to_client"] == 40_000
    stepped = [(t - (T if number < 2 else 0), frame) for number, (t, frame) in enumerate(frames)]
    status, out, err = analyze(make.write_pcap(tmp_path / "clock-step.pcap", stepped))
    assert (status, err, out.count("note: ")) == (0, "", 1)
    assert "note: clock-step.pcap: no packet for 53.9 years after frame 2 (1970-01-01 00:00:00 to 2023-11-14" in out
