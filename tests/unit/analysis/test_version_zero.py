"""Version 0 of MPTCP (RFC 6824), which the paper's own kernel spoke: keys in every SYN, SHA-1, another ADD_ADDR."""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path

import download_maker as given
import packet_maker as make
import pytest
from download_maker import CLIENT_KEY, MS, SERVER_KEY, T, analysed, rows, some

from analysis.flows.mptcp_options import token_of_key
from analysis.pcap import read_pcap


def add_addr(address: str, *, port: int = 0) -> bytes:
    """RFC 6824 section 3.4.1: the IP version where version 1 has flags, and no HMAC."""
    parsed = ipaddress.ip_address(address)
    body = bytes([3 << 4 | parsed.version, 9]) + parsed.packed + (struct.pack(">H", port) if port else b"")
    return bytes([30, 2 + len(body)]) + body


def test_tokens_of_version_0_are_sha_1_and_those_of_an_unknown_version_are_none() -> None:
    assert token_of_key(b"AAAAAAAA", 0) == 0xC0859894
    assert token_of_key(b"AAAAAAAA", 1) == token_of_key(b"AAAAAAAA")
    assert token_of_key(b"AAAAAAAA", 2) == -1


@pytest.mark.parametrize("version", [0, 1])
def test_a_join_belongs_to_its_connection_in_either_version(tmp_path: Path, version: int) -> None:
    found = analysed(tmp_path, [*given.download(version), *given.join_by_client(version)])
    (row,) = rows(found, "connections")
    assert some(row, "protocol", "mptcp_version", "subflows", "token", "client_token") == (
        "mptcp", version, 2, given.token(SERVER_KEY, version), given.token(CLIENT_KEY, version),
    )  # fmt: skip


@pytest.mark.parametrize("version", [0, 1])
def test_a_token_of_the_other_version_names_no_connection(tmp_path: Path, version: int) -> None:
    found = analysed(tmp_path, [*given.download(version), *given.join_by_client(1 - version)])
    assert [row["subflows"] for row in rows(found, "connections")] == [1, 1]


def test_the_syn_of_version_0_has_the_clients_key_where_the_third_packet_is_missing(tmp_path: Path) -> None:
    frames = given.download(0)
    found = analysed(tmp_path, [*frames[:2], *frames[3:], *given.join_by_server(0)])
    (row,) = rows(found, "connections")
    assert some(row, "subflows", "client_token") == (2, given.token(CLIENT_KEY, 0))


def test_the_syn_ack_says_the_version_where_the_client_offered_more(tmp_path: Path) -> None:
    offer, *rest = given.download(0)
    syn = make.to_server(given.PORT, 80, make.SYN, seq=given.ISN, options=make.mp_capable(version=1))
    found = analysed(tmp_path, [(offer[0], syn), *rest, *given.join_by_client(0)])
    (row,) = rows(found, "connections")
    assert some(row, "mptcp_version", "subflows") == (0, 2)


@pytest.mark.parametrize(("address", "port"), [("10.0.3.101", 0), ("10.0.3.101", 8080), ("2001:db8::9", 0),
                                               ("2001:db8::9", 8080)])  # fmt: skip
def test_add_addr_of_version_0_is_an_announcement_and_no_echo(tmp_path: Path, address: str, port: int) -> None:
    said = make.to_client(80, given.PORT, make.ACK, seq=901, ack=101, options=add_addr(address, port=port))
    found = analysed(tmp_path, [*given.download(0), (given.END + MS, said)])
    (row,) = rows(found, "announcements")
    assert some(row, "sender", "kind", "address_id", "address", "port") == (
        "server", "announcement", 9, address, port or None,
    )  # fmt: skip
    assert address in found.names()["unique"]


def test_the_other_options_of_version_0_are_decoded(tmp_path: Path) -> None:
    prio, prio_of_address = bytes([30, 3, 0x51]), bytes([30, 4, 0x51, 7])
    fail = bytes([30, 12, 0x60, 0]) + struct.pack(">Q", 5)
    mapped = bytes([30, 16, 0x20, 0x04]) + struct.pack(">IIHH", 11, 1, 1000, 0xBEEF)
    remove = bytes([30, 4, 0x40, 9])
    frames = [(T + n, make.to_client(80, 1, make.ACK, options=each))
              for n, each in enumerate((prio, prio_of_address, fail, mapped, remove))]  # fmt: skip
    packets = read_pcap(make.write_pcap(tmp_path / "a.pcap", frames))
    assert packets.mp_prio.backup.tolist() == [True, True]
    assert packets.mp_prio.address_id.tolist() == [0, 7]
    assert packets.mp_fail.dsn.tolist() == [5]
    assert (packets.dss.dsn.tolist(), packets.dss.has_checksum.tolist()) == ([11], [True])
    assert packets.remove_addr.address_id.tolist() == [9]
    assert len(packets.other_mptcp) == 0
