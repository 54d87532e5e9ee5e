"""Two raw directories, one thing changed in the second: the first packet, event or counter at which they part."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
from pathlib import Path

import frame_encoder as encode
import packet_maker as make
import pytest
import run_maker as runs

from analysis.compare.divergence import compare_points
from analysis.compare.packet_text import Capture, describe_options
from analysis.compare.pairing import pair_points
from testbed.base.errors import AnalysisError

KEY = runs.KEY_A
START = runs.START_NS
MS = runs.MS


def point(directory: Path, **changes: object) -> Path:
    made = runs.load_balancer_point(directory, **changes)
    counters = {"before": {"s1": {"TcpOutSegs": 10}}, "after": {"s1": {"TcpOutSegs": 15, "TcpRetransSegs": 2}}}
    (made / "counters.json").write_text(json.dumps(counters))
    sample = {"t": 1.0, "interfaces": {"c-eth0": {"rx_bytes": 7}}, "counters": {"s1": {"TcpOutSegs": 12}}}
    (made / "samples.jsonl").write_text(json.dumps(sample) + "\n" + json.dumps(sample | {"t": 2.0}) + "\n")
    return made


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return point(tmp_path / "ours")


@pytest.fixture
def theirs(ours: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ours, tmp_path / "theirs"))


def rewrite(directory: Path, interface: str, packets: list[tuple[int, bytes]]) -> None:
    make.write_pcap(directory / f"{interface}.pcap", packets)


def connection(
    *, port: int = 40001, isn: int = 1000, key: bytes = KEY, sizes: tuple[int, ...] = (100, 200, 300)
) -> list[tuple[int, bytes]]:
    """A handshake and one packet to the client per size, a millisecond apart."""
    sent = 0
    packets = [
        (START, make.to_server(port, 80, make.SYN, seq=isn, options=make.MSS + make.mp_capable())),
        (
            START + 1000,
            make.to_client(80, port, make.SYN | make.ACK, ack=isn + 1, options=make.MSS + make.mp_capable(key)),
        ),
    ]
    for number, size in enumerate(sizes, start=1):
        frame = make.to_client(80, port, make.ACK | make.PSH, seq=1 + sent, ack=isn + 89, payload=size)
        packets.append((START + number * MS, frame))
        sent += size
    return packets


def test_equal_directories_are_identical(ours: Path, theirs: Path) -> None:
    assert compare_points(ours, theirs).identical


def test_wall_clock_files_do_not_count(ours: Path, theirs: Path) -> None:
    runs.change_json(theirs / "outcome.json", wall_s=99.0)
    (theirs / "digests.json").write_text("{}")
    assert compare_points(ours, theirs).identical


def test_the_first_differing_packet_with_what_led_up_to_it(ours: Path, theirs: Path) -> None:
    rewrite(ours, "c-eth0", connection())
    rewrite(theirs, "c-eth0", connection(sizes=(100, 250, 300)))
    (found,) = compare_points(ours, theirs, context=2).packets
    assert (found.interface, found.number, found.fields) == ("c-eth0", 4, ("payload length",))
    assert found.t_s == pytest.approx(0.002, abs=1e-6)
    assert found.ours is not None
    assert found.theirs is not None
    assert (found.ours.payload_bytes, found.theirs.payload_bytes) == (200, 250)
    assert (found.ours.ends, found.ours.flags, found.ours.seq, found.ours.ack) == (
        "10.0.1.80:80 > 10.0.1.2:40001", "PSH,ACK", "101", "89",
    )  # fmt: skip
    assert [packet.flags for packet in found.before] == ["SYN,ACK", "PSH,ACK"]
    assert found.connection == found.before


def test_a_connection_is_followed_over_all_its_subflows(ours: Path, theirs: Path) -> None:
    other = make.handshake(START + 5 * MS, 40002, key=runs.KEY_B)
    for directory, size in ((ours, 700), (theirs, 800)):
        rewrite(directory, "c-eth0", [*connection(sizes=(100,)), *other])
        rewrite(
            directory,
            "c-eth1",
            [*make.join(START + 3 * MS, 50001, KEY), make.data(START + 9 * MS, 50001, size, past=True)],
        )
    (found,) = compare_points(ours, theirs).packets
    assert (found.interface, found.number) == ("c-eth1", 3)
    assert [(packet.interface, packet.flags) for packet in found.connection] == [
        ("c-eth0", "SYN"), ("c-eth0", "SYN,ACK"), ("c-eth0", "PSH,ACK"), ("c-eth1", "SYN"), ("c-eth1", "SYN,ACK"),
    ]  # fmt: skip
    assert all("40002" not in packet.ends for packet in found.connection)
    assert [packet.interface for packet in found.before] == ["c-eth1", "c-eth1"]


def test_a_capture_that_ends_early(ours: Path, theirs: Path) -> None:
    rewrite(ours, "c-eth0", connection(sizes=(100, 200)))
    rewrite(theirs, "c-eth0", connection(sizes=(100, 200, 300)))
    for one, other in ((ours, theirs), (theirs, ours)):
        (found,) = compare_points(one, other).packets
        assert (found.number, found.fields) == (5, ())
        assert (found.ours is None) == (one == ours)
        assert len(found.connection) == 4


def test_drawn_numbers_part_the_bytes_but_not_the_behaviour(ours: Path, theirs: Path) -> None:
    rewrite(ours, "c-eth0", connection())
    rewrite(theirs, "c-eth0", connection(port=51234, isn=77, key=b"CCCCCCCC"))
    found = compare_points(ours, theirs)
    assert (found.packets[0].number, found.packets[0].fields) == (1, ("source port", "sequence number"))
    assert found.normalised == ()


def test_behaviour_parts_later_than_the_drawn_numbers(ours: Path, theirs: Path) -> None:
    rewrite(ours, "c-eth0", connection())
    rewrite(theirs, "c-eth0", connection(port=51234, isn=77, sizes=(100, 200, 301)))
    found = compare_points(ours, theirs)
    assert found.packets[0].number == 1
    (normalised,) = found.normalised
    assert (normalised.number, normalised.fields) == (5, ("payload",))


def test_a_reused_port_is_another_connection(ours: Path, theirs: Path) -> None:
    again = [(time_ns + 50 * MS, frame) for time_ns, frame in connection(isn=5000)]
    elsewhere = [(time_ns + 50 * MS, frame) for time_ns, frame in connection(port=40009, isn=9000)]
    rewrite(ours, "c-eth0", [*connection(), *again])
    rewrite(theirs, "c-eth0", [*connection(), *elsewhere])
    found = compare_points(ours, theirs)
    assert found.packets[0].number == 6
    assert found.normalised == ()


def test_the_earliest_interface_comes_first(ours: Path, theirs: Path) -> None:
    rewrite(ours, "c-eth1", [(START + 7 * MS, make.to_client(80, 1, make.RST))])
    rewrite(theirs, "c-eth1", [(START + 8 * MS, make.to_client(80, 1, make.RST))])
    rewrite(ours, "c-eth0", connection(sizes=(1,)))
    rewrite(theirs, "c-eth0", connection(sizes=(2,)))
    found = compare_points(ours, theirs).packets
    assert [(packet.interface, packet.fields) for packet in found] == [
        ("c-eth0", ("payload length",)), ("c-eth1", ("time",)),
    ]  # fmt: skip


def test_events_and_samples_name_the_part_that_differs(ours: Path, theirs: Path) -> None:
    lines = (theirs / "samples.jsonl").read_text().replace('"TcpOutSegs": 12}}}\n', '"TcpOutSegs": 13}}}\n', 1)
    (theirs / "samples.jsonl").write_text(lines)
    with (theirs / "events.jsonl").open("a") as file:
        file.write('{"t": 0.5, "event": "server-removed"}\n')
    event, sample = compare_points(ours, theirs).lines
    assert (event.file, event.t_s, event.ours) == ("events.jsonl", 0.5, None)
    assert event.theirs == '{"t": 0.5, "event": "server-removed"}'
    assert (sample.file, sample.t_s, sample.what) == ("samples.jsonl", 1.0, "counters s1 TcpOutSegs")
    assert (sample.ours, sample.theirs) == ("12", "13")


def test_a_value_that_is_null_on_one_side_and_absent_on_the_other_is_a_difference(ours: Path, theirs: Path) -> None:
    path = theirs / "events.jsonl"
    lines = path.read_text().splitlines()
    lines[0] = json.dumps({**json.loads(lines[0]), "cost": None})
    path.write_text("\n".join(lines) + "\n")
    (line,) = compare_points(ours, theirs).lines
    assert (line.what, line.ours, line.theirs) == ("cost", None, "null")


def test_the_same_in_other_words_is_no_difference(ours: Path, theirs: Path) -> None:
    path = theirs / "events.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(dict(reversed(line.items())), indent=None) + " \n" for line in lines))
    assert compare_points(ours, theirs).lines == ()


@pytest.mark.parametrize("name", ["c-eth0.pcap", "events.jsonl"])
def test_a_fifo_is_refused_at_once(ours: Path, theirs: Path, name: str) -> None:
    (theirs / name).unlink()
    os.mkfifo(theirs / name)
    with pytest.raises(AnalysisError, match="not a regular file"):
        compare_points(ours, theirs)


def test_counters_are_compared_by_their_growth(ours: Path, theirs: Path) -> None:
    counters = {"before": {"s1": {"TcpOutSegs": 20}}, "after": {"s1": {"TcpOutSegs": 25}, "c": {"TcpInErrs": 1}}}
    (theirs / "counters.json").write_text(json.dumps(counters))
    found = compare_points(ours, theirs).counters
    assert [(delta.node, delta.counter, delta.ours, delta.theirs) for delta in found] == [
        ("c", "TcpInErrs", 0, 1), ("s1", "TcpRetransSegs", 2, 0),
    ]  # fmt: skip


def test_other_files_are_named(ours: Path, theirs: Path) -> None:
    (theirs / "ab.txt").write_text("other")
    (ours / "settings.json").write_text("{}")
    assert compare_points(ours, theirs).files == ("ab.txt", "settings.json")


def test_options_in_words() -> None:
    assert describe_options(make.MSS + make.mp_capable(KEY, flags=0x21), syn=True) == (
        "MSS 1460, MP_CAPABLE C key 4141414141414141"
    )
    assert describe_options(make.mp_join_syn(0xABCD), syn=True) == "MP_JOIN id 1 token 0000abcd"
    assert describe_options(make.TIMESTAMPS + bytes([30, 4, 0x21, 0]), syn=False) == "TS 0 0, DSS"
    assert describe_options(bytes([30, 9, 0x20]), syn=False) == "cut"


@pytest.mark.parametrize("name", ["counters.json", "samples.jsonl", "events.jsonl", "captures.json", "c-eth0.pcap"])
def test_a_missing_file_is_named(ours: Path, theirs: Path, name: str) -> None:
    (theirs / name).unlink()
    with pytest.raises(AnalysisError, match=name.replace(".", r"\.")):
        compare_points(ours, theirs)


def test_another_topology_is_refused(ours: Path, tmp_path: Path) -> None:
    other = runs.anycast_point(tmp_path / "anycast")
    with pytest.raises(AnalysisError, match="not the same topology"):
        compare_points(ours, other)


def a_run(directory: Path, *names: tuple[str, int, int]) -> Path:
    for name, size, seed in names:
        runs.load_balancer_point(directory / "points" / name, object_bytes=size, seed=seed)
    (directory / "run.json").write_text('{"version": 1, "points": []}')
    return directory


def named(pairs: object) -> list[tuple[str, str]]:
    return [(one.name, other.name) for one, other in pairs]  # type: ignore[attr-defined]


def test_runs_pair_by_what_was_measured(tmp_path: Path) -> None:
    one = a_run(tmp_path / "one", ("a1", 1, 1), ("b1", 2, 1), ("a2", 1, 2))
    other = a_run(tmp_path / "other", ("a1", 1, 1), ("c1", 3, 1))
    pairs = pair_points(one, other)
    assert named(pairs.common) == [("a1", "a1")]
    assert [path.name for path in pairs.only_ours] == ["a2", "b1"]
    assert [path.name for path in pairs.only_theirs] == ["c1"]


def test_runs_of_one_seed_each_pair_across_seeds(tmp_path: Path) -> None:
    one = a_run(tmp_path / "one", ("a1", 1, 1), ("b1", 2, 1))
    other = a_run(tmp_path / "other", ("a2", 1, 2), ("b2", 2, 2))
    assert named(pair_points(one, other).common) == [("a1", "a2"), ("b1", "b2")]


def test_variants_and_conditions_are_kept_apart(tmp_path: Path) -> None:
    names = [("flag only", "no loss"), ("flag only", "1 % loss"), ("no flag", "no loss")]
    for run in ("a", "b"):
        for number, (variant, condition) in enumerate(names):
            point(tmp_path / run / "points" / f"p{number}", variant=variant, condition=condition)
        runs.write_json(tmp_path / run / "run.json", {"version": 1, "points": ["p0", "p1", "p2"]})
    pairs = pair_points(tmp_path / "a", tmp_path / "b")
    assert [(one.name, other.name) for one, other in pairs.common] == [("p0", "p0"), ("p1", "p1"), ("p2", "p2")]


def test_two_points_pair_whatever_they_are(ours: Path, tmp_path: Path) -> None:
    other = point(tmp_path / "other", experiment="ablation", seed=9)
    assert pair_points(ours, other).common == ((ours, other),)


@pytest.mark.parametrize(("make_run", "message"), [(False, "neither a run"), (True, "not a run directory|no finished")])
def test_what_is_neither_run_nor_point_is_refused(ours: Path, tmp_path: Path, make_run: bool, message: str) -> None:
    directory = tmp_path / "empty"
    directory.mkdir()
    if make_run:
        (directory / "run.json").write_text('{"version": 1, "points": []}')
    with pytest.raises(AnalysisError, match=message):
        pair_points(ours, directory)


def test_a_packet_in_words_has_its_addresses_in_the_usual_notation(tmp_path: Path) -> None:
    client, server = ipaddress.IPv6Address("2001:db8::1"), ipaddress.IPv6Address("2001:db8::80")
    six = encode.Packet(client, server, sport=40001, dport=80).frame(encode.ETHERNET)
    made = make.write_pcap(tmp_path / "a.pcap", [(START, make.to_client(80, 40001, make.ACK)), (START, six)])
    capture = Capture("c-eth0", made, START)
    assert capture.text(0).ends == f"{make.VIP}:80 > {make.CLIENT}:40001"
    assert capture.text(1).ends == "[2001:db8::1]:40001 > [2001:db8::80]:80"
