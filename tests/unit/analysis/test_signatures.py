"""HMACs of joins and announced addresses, verified with the keys in the capture."""

from __future__ import annotations

import hmac
import ipaddress
from pathlib import Path

import observation_maker as seen
import packet_maker as make
import pytest
from observation_maker import MS, T
from test_tabulation import CLIENT_KEY, KEY, UNIQUE, to_client_past, to_server_past

from analysis.flows.address_inference import guess_addresses
from analysis.flows.connections import find_connections
from analysis.flows.signatures import find_signatures
from analysis.flows.subflows import find_subflows
from analysis.pcap import read_pcap, with_first_ipv6

FIRST, SECOND = bytes([1, 2, 3, 4]), bytes([9, 8, 7, 6])
"""The nonces of the join's opener (that of `make.mp_join_syn`) and of the other end."""


def signed(own: bytes, other: bytes, message: bytes) -> bytes:
    return hmac.digest(own + other, message, "sha256")


def frames(*, address: str = UNIQUE, with_keys: bool = True) -> seen.Frames:
    """A connection, an announced address and a join, all of it signed as RFC 8684 has it."""
    announced = bytes([7]) + bytes(int(part) for part in address.split("."))
    add_addr = bytes([30, 16, 0x30]) + announced + signed(KEY, CLIENT_KEY, announced + bytes(2))[-8:]
    answer = bytes([30, 16, 0x10, 7]) + signed(KEY, CLIENT_KEY, SECOND + FIRST)[:8] + SECOND
    third = bytes([30, 24, 0x10, 0]) + signed(CLIENT_KEY, KEY, FIRST + SECOND)[:20]
    ack = make.mp_capable(CLIENT_KEY + KEY) if with_keys else b""
    return [
        (T, make.to_server(40001, 80, make.SYN, seq=1000, options=make.MSS + make.mp_capable())),
        (T + MS, make.to_client(80, 40001, make.SYN | make.ACK, seq=5000, ack=1001,
                                options=make.MSS + make.mp_capable(KEY))),
        (T + 2 * MS, make.to_server(40001, 80, make.ACK, seq=1001, ack=5001, options=ack)),
        (T + 3 * MS, make.to_client(80, 40001, make.ACK, seq=5001, ack=1001, options=add_addr)),
        to_server_past(T + 4 * MS, make.SYN, seq=5, options=make.MSS + make.mp_join_syn(make.token_of(KEY))),
        to_client_past(T + 5 * MS, make.SYN | make.ACK, seq=700, ack=6, options=make.MSS + answer),
        to_server_past(T + 6 * MS, make.ACK, seq=6, ack=701, options=third),
    ]  # fmt: skip


def verdicts(observed: seen.Observation) -> list[tuple[float, int, str, str, str]]:
    found = seen.rows(observed, "signatures")
    return [tuple(row[name] for name in ("t_s", "subflow", "sender", "what", "verdict")) for row in found]  # type: ignore[misc]


def test_right_signatures_are_right(tmp_path: Path) -> None:
    assert verdicts(seen.observe(tmp_path, frames())) == [
        (0.003, 0, "server", "add-addr", "right"),
        (0.005, 1, "server", "join-syn-ack", "right"),
        (0.006, 1, "client", "join-ack", "right"),
    ]


@pytest.mark.parametrize(("place", "wrong"), [(3, 0), (5, 1), (6, 2)])
def test_one_wrong_bit_makes_one_signature_wrong(tmp_path: Path, place: int, wrong: int) -> None:
    changed = frames()
    time_ns, frame = changed[place]
    # The option ends the header: of ADD_ADDR and the third ACK with the HMAC, of the SYN+ACK with the nonce.
    at = len(frame) - (5 if place == 5 else 1)
    changed[place] = (time_ns, frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1 :])
    expected = ["right"] * 3
    expected[wrong] = "wrong"
    assert [verdict for *_, verdict in verdicts(seen.observe(tmp_path, changed))] == expected


def test_without_the_clients_key_nobody_knows(tmp_path: Path) -> None:
    found = verdicts(seen.observe(tmp_path, frames(with_keys=False)))
    assert [verdict for *_, verdict in found] == ["unknown"] * 3


def test_an_announced_address_of_a_servers_network_was_signed_as_it_is(tmp_path: Path) -> None:
    own, unique = (ipaddress.ip_address(each).packed for each in ("fd00:201::dead", "fd00:3::101"))
    announced = bytes([7]) + own
    option = bytes([30, 28, 0x30]) + announced + signed(KEY, CLIENT_KEY, announced + bytes(2))[-8:]
    changed = frames()
    changed[3] = (T + 3 * MS, make.to_client(80, 40001, make.ACK, seq=5001, ack=1001, options=option))
    captured = read_pcap(make.write_pcap(tmp_path / "c.pcap", changed))
    packets = with_first_ipv6(captured, [unique], {own[:8]: unique})
    assert [packets.address(number, 6) for number in packets.add_addr.address.tolist()] == ["fd00:3::101"]
    traffic = find_connections(packets, guess_addresses(packets))
    found = find_signatures(packets, traffic, find_subflows(packets, traffic))
    assert next((each.what, each.verdict) for each in found) == ("add-addr", "right")
