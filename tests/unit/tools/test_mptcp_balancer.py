"""The balancer that knows MPTCP's connections: what it reads in a packet, and what its tables make of it."""

from __future__ import annotations

import hashlib
import socket
import struct

from testbed.tools.mptcp_balancer import Segment, Tables, segment

VIP = socket.inet_aton("10.0.1.80")
SERVICE = VIP + b"\0\x50"
CLIENT = socket.inet_aton("10.0.1.2")
SYN, RST, ACK = 0x02, 0x04, 0x10
KEYS = bytes(range(16))
TOKEN = hashlib.sha256(KEYS[8:]).digest()[:4]

NOPS, TIMESTAMPS = b"\x01\x01", b"\x08\x0a" + bytes(8)
BOTH_KEYS = b"\x1e\x16\x01\x81" + KEYS + b"\x00\x04"
JOIN = b"\x1e\x0c\x10\x00" + TOKEN + b"abcd"
A, B = CLIENT + b"\x10\x00", CLIENT + b"\x10\x01"


def packet(flags: int, options: bytes = b"", *, port: int = 0x1000, to: bytes = VIP) -> bytes:
    options += bytes(-len(options) % 4)
    tcp = struct.pack(">HHIIBBHHH", port, 80, 0, 0, (20 + len(options)) // 4 << 4, flags, 0, 0, 0) + options
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, CLIENT, to) + tcp


def test_both_keys_tell_the_token_by_which_others_join() -> None:
    assert segment(packet(ACK, NOPS + TIMESTAMPS + BOTH_KEYS), SERVICE) == Segment(A, opens=TOKEN)
    assert segment(packet(SYN, TIMESTAMPS + NOPS + JOIN), SERVICE) == Segment(A, joins=TOKEN)


def test_what_is_none_of_the_service_or_cut_off_says_nothing() -> None:
    assert segment(packet(ACK, to=CLIENT), SERVICE) is None and segment(packet(ACK), VIP + b"\0\x51") is None
    assert segment(packet(ACK, b"\x1e\x16\x01"), SERVICE) == Segment(A)
    assert segment(packet(ACK, b"\x1e\x00\x01\x01"), SERVICE) == Segment(A)
    for no_length in (b"\x05\x00", b"\x05\x01"):
        assert segment(packet(ACK, no_length + BOTH_KEYS), SERVICE) == Segment(A)
    assert segment(packet(ACK)[:30], SERVICE) is None


def test_a_join_comes_to_the_server_of_its_connection_and_new_flows_to_all_in_turn() -> None:
    tables = Tables(["s1", "s2"])
    assert tables.server_of(Segment(A)) == tables.server_of(Segment(A)) == "s1"
    assert tables.server_of(Segment(A, opens=TOKEN)) == "s1"
    assert tables.server_of(Segment(CLIENT + b"x")) == "s2"
    assert tables.server_of(Segment(CLIENT + b"y")) == "s1"
    assert tables.server_of(Segment(B, joins=TOKEN)) == "s1"
    tables.pool = ["s2"]
    assert tables.server_of(Segment(B)) == "s1" and tables.server_of(Segment(CLIENT + b"z")) == "s2"


def test_empty_tables_know_neither_flow_nor_token() -> None:
    tables = Tables(["s2", "s1"])
    assert tables.server_of(Segment(A)) == "s2"
    assert tables.server_of(Segment(B, joins=TOKEN)) == "s1"


def test_a_reset_ends_a_flow() -> None:
    tables = Tables(["s1"])
    assert segment(packet(RST | ACK), SERVICE) == Segment(A, resets=True)
    tables.server_of(Segment(A))
    tables.server_of(Segment(A, resets=True))
    assert not tables.flows
