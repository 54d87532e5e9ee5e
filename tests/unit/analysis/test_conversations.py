"""Flows of captures at one or several places: nothing counts twice, whatever happens to addresses on the way."""

from __future__ import annotations

import struct
from pathlib import Path

import packet_maker as make
import pytest

from analysis.flows.conversations import find_conversations
from analysis.pcap import Packets, merge, read_pcap

T = 1_700_000_000 * 10**9
MS = 10**6
REAL = "10.0.11.2"

Frames = list[tuple[int, bytes]]


def captured(tmp_path: Path, *places: Frames) -> Packets:
    return merge([read_pcap(make.write_pcap(tmp_path / f"{n}.pcap", sorted(f))) for n, f in enumerate(places)])


def farther(frame: bytes, hops: int = 1) -> bytes:
    """The same packet, so many routers later (time to live at byte 22 of an Ethernet frame)."""
    return frame[:22] + struct.pack("B", frame[22] - hops) + frame[23:]


def exchange(server: str, *, isn: int = 77) -> list[bytes]:
    return [
        make.to_server(40001, 80, make.SYN, dst=server, seq=isn, options=make.MSS),
        make.to_client(80, 40001, make.SYN | make.ACK, src=server, seq=500, options=make.MSS),
        make.to_client(80, 40001, make.ACK, src=server, seq=501, payload=100),
    ]


def timed(frames: list[bytes], start: int = T) -> Frames:
    return [(start + number * MS, frame) for number, frame in enumerate(frames)]


def test_a_packet_seen_at_two_places_counts_once_where_it_was_nearest_to_the_client(tmp_path: Path) -> None:
    frames = exchange(make.VIP)
    at_server = [(t + 100, farther(frame) if n == 0 else frame) for n, (t, frame) in enumerate(timed(frames))]
    found = find_conversations(captured(tmp_path, at_server, timed(frames)))
    assert len(found) == 1
    assert found.places.tolist() == [2]
    # Merged by time the client's packet comes before the server's each time.
    assert found.flow.tolist() == [0, -1, 0, -1, 0, -1]


def test_a_translated_address_does_not_hide_that_it_is_the_same_flow(tmp_path: Path) -> None:
    behind = timed([farther(frame) for frame in exchange(REAL)], T + 100)
    found = find_conversations(captured(tmp_path, timed(exchange(make.VIP)), behind))
    assert len(found) == 1
    packets = captured(tmp_path, timed(exchange(make.VIP)), behind)
    assert packets.address(int(found.other_address[0])) == make.VIP
    assert int((found.flow >= 0).sum()) == 3


def test_one_place_that_sees_both_sides_of_a_translation_counts_once(tmp_path: Path) -> None:
    behind = timed([farther(frame) for frame in exchange(REAL)], T + 100)
    found = find_conversations(captured(tmp_path, timed(exchange(make.VIP)) + behind))
    assert len(found) == 1
    assert int((found.flow >= 0).sum()) == 3


def stamped(value: int) -> bytes:
    return bytes([1, 1, 8, 10]) + struct.pack(">II", value, 0)


def masqueraded(server: str, port: int, *, src: str, stamp: int) -> list[bytes]:
    """The same connection before and after a router that gives the client another address and port."""
    return [
        make.to_server(port, 80, make.SYN, src=src, dst=server, seq=77, options=make.MSS + stamped(stamp)),
        make.to_client(80, port, make.SYN | make.ACK, src=server, dst=src, seq=500, ack=78, options=make.MSS),
        make.to_client(80, port, make.ACK, src=server, dst=src, seq=501, ack=78, payload=100),
    ]


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(("stamp", "flows"), [(12345, 1), (12346, 2)])
def test_a_translated_port_of_the_client_does_not_hide_it_either(
    tmp_path: Path, several: bool, stamp: int, flows: int
) -> None:
    before = timed(masqueraded(make.VIP, 40001, src=make.CLIENT, stamp=12345))
    behind = timed([farther(each) for each in masqueraded(REAL, 61234, src="10.0.11.1", stamp=stamp)], T + 100)
    places = [before, behind] if several else [before + behind]
    packets = captured(tmp_path, *places)
    found = find_conversations(packets)
    assert len(found) == flows
    assert int((found.flow >= 0).sum()) == 3 * flows
    assert packets.address(int(found.opener_address[0])) == make.CLIENT


def under_way(server: str, *, first: int = 0, src: str = make.CLIENT) -> list[bytes]:
    """Ten segments and their acknowledgements of a connection that had begun before."""
    frames = []
    for seq in range(501 + first * 100, 1501, 100):
        frames.append(make.to_client(80, 40001, make.ACK, src=server, dst=src, seq=seq, ack=78, payload=100))
        frames.append(make.to_server(40001, 80, make.ACK, src=src, dst=server, seq=78, ack=seq + 100))
    return frames


@pytest.mark.parametrize("behind", [make.VIP, REAL])
@pytest.mark.parametrize("first", [0, 7])
def test_a_flow_that_began_before_two_captures_counts_once(tmp_path: Path, behind: str, first: int) -> None:
    other = timed([farther(each) for each in under_way(behind, first=first)], T + 100 + first * 2 * MS)
    found = find_conversations(captured(tmp_path, timed(under_way(make.VIP)), other))
    assert len(found) == 1
    assert found.places.tolist() == [2]
    assert int((found.flow >= 0).sum()) == 20


def test_a_flow_whose_beginning_one_place_missed_counts_once_behind_a_translation(tmp_path: Path) -> None:
    whole = timed([*exchange(make.VIP)[:2], *under_way(make.VIP)])
    other = timed([farther(each) for each in under_way(REAL)], T + 100 + 2 * MS)
    packets = captured(tmp_path, whole, other)
    found = find_conversations(packets)
    assert (len(found), found.has_syn.tolist()) == (1, [True])
    assert packets.address(int(found.other_address[0])) == make.VIP
    assert int((found.flow >= 0).sum()) == 22


def test_one_place_with_both_sides_of_a_translation_of_a_flow_that_began_before(tmp_path: Path) -> None:
    behind = timed([farther(each) for each in under_way(REAL)], T + 100)
    found = find_conversations(captured(tmp_path, timed(under_way(make.VIP)) + behind))
    assert len(found) == 1
    assert int((found.flow >= 0).sum()) == 20


def test_flows_that_began_before_the_captures_and_have_other_packets_stay_apart(tmp_path: Path) -> None:
    later = [make.to_client(80, 40001, make.ACK, seq=seq, ack=78, payload=100) for seq in range(9001, 9501, 100)]
    found = find_conversations(captured(tmp_path, timed(under_way(make.VIP)), timed(later, T + 100)))
    assert len(found) == 2


def test_a_flow_whose_directions_pass_different_places_is_one_flow(tmp_path: Path) -> None:
    syn, syn_ack, data = exchange(make.VIP)
    found = find_conversations(captured(tmp_path, [(T, syn)], [(T + MS, syn_ack), (T + 2 * MS, data)]))
    assert len(found) == 1
    assert found.flow.tolist() == [0, 0, 0]
    assert found.from_opener.tolist() == [True, False, False]


def test_two_flows_with_the_same_isn_and_other_ports_stay_two(tmp_path: Path) -> None:
    other = make.to_server(40002, 80, make.SYN, seq=77, options=make.MSS)
    found = find_conversations(captured(tmp_path, timed(exchange(make.VIP)), [(T + 5 * MS, other)]))
    assert len(found) == 2


def test_the_ends_of_a_headless_flow_are_told_by_the_servers_or_the_ports(tmp_path: Path) -> None:
    data = make.to_client(80, 40001, make.ACK, payload=5)
    packets = captured(tmp_path, [(T, data)])
    by_port = find_conversations(packets)
    assert not by_port.has_syn[0]
    assert (by_port.opener_port.tolist(), by_port.other_port.tolist()) == ([40001], [80])
    told = find_conversations(packets, servers=[int(packets.dst[0])])
    assert (told.opener_port.tolist(), told.other_port.tolist()) == ([80], [40001])


def test_a_syn_ack_without_its_syn_tells_who_opened(tmp_path: Path) -> None:
    answer = make.to_client(50000, 40001, make.SYN | make.ACK)
    found = find_conversations(captured(tmp_path, [(T, answer)]))
    assert found.opener_port.tolist() == [40001]


def test_a_capture_without_tcp_has_no_flows(tmp_path: Path) -> None:
    assert len(find_conversations(captured(tmp_path, []))) == 0
