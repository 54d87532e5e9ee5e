"""`testbed analyze` of captures as others make them: what is missing in them is said, and how the command ends."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import capture_encoder as pack
import download_maker as given
import packet_maker as make
import pytest
import tunnel_encoder as tunnel

from analysis.tables import read_table

Analyze = Callable[..., tuple[int, str, str]]
ARP = tunnel.ethernet(bytes(28), 0x0806)
ESP = tunnel.ethernet(tunnel.ipv4(50, bytes(40)))
QUIC = tunnel.ethernet(tunnel.udp(443, bytes(1200)))


def written(path: Path, frames: given.Frames, *, snap: int = 65535) -> Path:
    return make.write_pcap(path, sorted(frames, key=lambda each: each[0]), snap=snap)


def at(frames: list[bytes]) -> given.Frames:
    return [(given.T + number, frame) for number, frame in enumerate(frames)]


def test_cut_options_leave_the_protocol_unknown(analyze: Analyze, tmp_path: Path) -> None:
    path = written(tmp_path / "a.pcap", given.download(), snap=60)
    status, out, err = analyze(path, "--out", tmp_path / "out")
    assert status == 6
    assert "unknown" in out
    assert err == (
        "testbed: error: not whole: a.pcap: of 2 of 83 TCP packets the options were not captured whole: 20 bytes are "
        "missing (the snap length is too short), and what they said of MPTCP (the rest is analysed)\n"
    )
    (row,) = read_table(tmp_path / "out", "connections").to_pylist()
    assert given.some(row, "protocol", "bytes_to_client", "token", "mptcp_version") == ("unknown", 40_000, None, None)
    assert read_table(tmp_path / "out", "points").column("protocol").to_pylist() == ["unknown"]


@pytest.mark.parametrize(
    ("snap", "key", "protocol"),
    [
        (54, b"", "unknown"),
        (58, b"", "tcp"),
        (54, b"A" * 8, "unknown"),
        (62, b"A" * 8, "unknown"),
        (70, b"A" * 8, "mptcp"),
    ],
)
def test_what_the_options_that_are_there_tell_is_known(
    analyze: Analyze, tmp_path: Path, snap: int, key: bytes, protocol: str
) -> None:
    # The options of a plain SYN are an MSS, 4 bytes; with MPTCP 4 more, in the SYN+ACK 12.
    frames = [*make.handshake(given.T, 40001, key=key), make.data(given.T + given.S, 40001, 100)]
    status, _, _ = analyze(written(tmp_path / "a.pcap", frames, snap=snap), "--out", tmp_path / "out")
    assert status == (0 if snap == 70 else 6)
    assert read_table(tmp_path / "out", "connections").column("protocol").to_pylist() == [protocol]


def test_fallback_is_said_only_of_a_whole_answer(analyze: Analyze, tmp_path: Path) -> None:
    frames = [make.handshake(given.T, 40001, key=b"A" * 8)[0], make.handshake(given.T, 40001)[1]]
    assert analyze(written(tmp_path / "a.pcap", frames), "--out", tmp_path / "out")[0] == 0
    assert read_table(tmp_path / "out", "connections").column("protocol").to_pylist() == ["fallback"]


def test_cut_headers_are_said_with_what_there_is_instead(analyze: Analyze, tmp_path: Path) -> None:
    frames = [(t, encode_tagged(frame)) for t, frame in given.download()]
    assert analyze(written(tmp_path / "a.pcap", frames, snap=50)) == (
        2,
        "",
        f"testbed: error: {tmp_path}/a.pcap: no TCP packet in it: it holds 83 frames whose headers were cut off; "
        "a.pcap: of 83 of 83 frames the headers were not captured (the snap length is too short): they are "
        "not analysed\n",
    )


def encode_tagged(frame: bytes) -> bytes:
    return frame[:12] + b"\x81\0\0\5" + frame[12:]


def test_an_unused_interface_is_no_loss(analyze: Analyze, tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    blocks = [pack.enhanced("<", 0, t, frame) for t, frame in given.download()]
    start = pack.section() + pack.interface(resolution=9) + pack.interface(link_type=220)
    path.write_bytes(start + b"".join(blocks))
    status, out, err = analyze(path)
    assert (status, err) == (0, "")
    assert "1 connections, 1 survived" in out


def test_other_packets_are_counted_by_name_and_no_alarm(analyze: Analyze, tmp_path: Path) -> None:
    path = written(tmp_path / "a.pcap", [*given.download(), *at([QUIC] * 3 + [ARP] * 2)])
    status, out, err = analyze(path)
    assert (status, err) == (0, "")
    assert "other frames: 3 UDP port 443, 2 ARP\n" in out


def test_packets_that_may_hide_tcp_are_a_warning(analyze: Analyze, tmp_path: Path) -> None:
    path = written(tmp_path / "a.pcap", [*given.download(), *at([ESP] * 12 + [ARP])])
    status, out, err = analyze(path)
    assert status == 0
    assert "other frames: 12 IP protocol 50 (ESP), 1 ARP\n" in out
    assert err == "testbed: warning: there may be TCP in 12 IP protocol 50 (ESP), which are not decoded\n"


def test_many_kinds_are_a_bounded_list(analyze: Analyze, tmp_path: Path) -> None:
    frames = [tunnel.ethernet(tunnel.udp(port, bytes(8))) for port in range(1000, 1100)]
    status, out, _ = analyze(written(tmp_path / "a.pcap", [*given.download(), *at(frames + [ARP] * 5)]))
    assert status == 0
    (line,) = [each for each in out.splitlines() if each.startswith("other frames: ")]
    assert line.startswith("other frames: 5 ARP, 1 UDP port 1000, 1 UDP port 1001, ")
    assert line.endswith(", 93 of 93 more kinds")


def test_a_tunnel_s_connection_stands_beside_a_plain_one(analyze: Analyze, tmp_path: Path) -> None:
    inside = [(t, tunnel.ethernet(tunnel.ipv4(4, frame[14:]))) for t, frame in given.download(port=4001)]
    status, out, err = analyze(written(tmp_path / "a.pcap", [*given.download(), *inside]), "--out", tmp_path / "out")
    assert (status, err) == (0, "")
    assert "note: of 166 TCP packets were in tunnels: 83 in IPIP\n" in out
    rows = read_table(tmp_path / "out", "connections").to_pylist()
    assert {(row["client_port"], row["bytes_to_client"], row["protocol"]) for row in rows} == {
        (4000, 40_000, "mptcp"), (4001, 40_000, "mptcp"),
    }  # fmt: skip
    tunnels = {row["client_port"]: row["tunnel"] for row in read_table(tmp_path / "out", "subflows").to_pylist()}
    assert tunnels == {4000: None, 4001: "IPIP"}


def test_every_part_that_is_not_whole_is_said(analyze: Analyze, tmp_path: Path) -> None:
    one = written(tmp_path / "one.pcap", given.download(), snap=60)
    two = written(tmp_path / "two.pcap", given.download(port=4001))
    two.write_bytes(two.read_bytes()[:-5])
    status, _, err = analyze(one, two)
    assert status == 6
    assert err.startswith("testbed: warning: not whole: two.pcap: truncated record at byte ")
    assert "\ntestbed: error: not whole: one.pcap: of 2 of 83 TCP packets" in err


def test_a_file_without_tcp_beside_others_is_said_and_what_it_lacks_is_a_loss(analyze: Analyze, tmp_path: Path) -> None:
    good = written(tmp_path / "good.pcap", given.download())
    other = written(tmp_path / "other.pcap", at([ARP] * 4))
    status, out, err = analyze(good, other)
    assert (status, err) == (0, "")
    assert f"note: {other}: no TCP packet in it: it holds 4 ARP\n" in out
    assert "other frames: 4 ARP\n" in out
    other.write_bytes(other.read_bytes()[:-3])
    status, _, err = analyze(good, other)
    assert status == 6
    assert "not whole: other.pcap: truncated record" in err


NAMES = [b"caf\xe9.pcap", b"\xff\xfe.pcap", b"new\nline.pcap", b"\x1b[31mred.pcap", "été.pcap".encode()]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_file_will_do(analyze: Analyze, tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    written(path, given.download())
    status, out, err = analyze(path, "--out", tmp_path / "out", "--packets")
    assert (status, err) == (0, "")
    assert "\x1b" not in out
    (row,) = read_table(tmp_path / "out", "subflows").to_pylist()
    shown = {b"caf\xe9.pcap": "caf\\xe9", "été.pcap".encode(): "été"}.get(name, row["point"])
    assert (row["point"], row["interface"]) == (shown, f"{shown}.pcap")
    for table in ("connections", "subflows", "packets"):
        assert shown.encode() in (tmp_path / "out" / "tables" / f"{table}.csv").read_bytes()
    path.write_bytes(path.read_bytes()[:-4])
    status, _, err = analyze(path)
    assert status == 6
    assert err.count("\n") == 1
    path.write_bytes(b"no capture, but long enough for one")
    status, _, err = analyze(path)
    assert (status, err.count("\n")) == (2, 1)
    path.unlink()
    status, _, err = analyze(path)
    assert (status, err.count("\n")) == (2, 1)


def test_compressed_captures_are_analysed_under_their_own_name(analyze: Analyze, tmp_path: Path) -> None:
    plain = written(tmp_path / "a.pcap", given.download())
    packed = tmp_path / "b.pcap.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert analyze(packed)[1] == analyze(plain)[1].replace("a\n", "b\n", 1)
    packed.write_bytes(packed.read_bytes()[:-300])
    status, out, err = analyze(packed)
    assert status == 6
    assert "1 connections" in out
    assert "b.pcap.gz: the compressed file is cut short after byte " in err


def test_standard_input_is_a_capture(tmp_path: Path) -> None:
    plain = written(tmp_path / "a.pcap", given.download())
    argv = [sys.executable, "-m", "experiments", "analyze", "-"]
    done = subprocess.run(argv, input=plain.read_bytes(), capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"stdin\n  1 connections, 1 survived")


def test_names_in_a_capture_command_no_terminal(analyze: Analyze, tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    name = pack.interface(resolution=9, name="\x1b]0;title\x07eth\n0")
    blocks = [pack.enhanced("<", 0, t, frame) for t, frame in given.download()]
    path.write_bytes(pack.section() + name + b"".join(blocks) + pack.statistics("<", 0, 5))
    status, out, err = analyze(path, "--out", tmp_path / "out")
    assert status == 6
    assert "\x1b" not in out + err
    assert err.count("\n") == 1
    assert b"\x1b" not in (tmp_path / "out" / "tables" / "subflows.csv").read_bytes()
