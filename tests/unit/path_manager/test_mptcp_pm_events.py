"""Events and inet_diag's answers that real kernels gave, decoded."""

from __future__ import annotations

import errno
import struct

import pytest
from recorded import datagrams, events

from testbed.base.errors import TestbedError
from testbed.net.mptcp_pm import subflows
from testbed.net.mptcp_pm.addresses import SocketAddress
from testbed.net.mptcp_pm.events import Event, decode
from testbed.net.mptcp_pm.messages import EventType
from testbed.net.mptcp_pm.subflows import Subflow


def test_an_ipv4_connection_of_linux_6_12() -> None:
    found = [event for event in events("events-linux-6.12", 0x15) if isinstance(event, Event)]
    token = found[0].token
    initial = {"local": SocketAddress("10.9.1.80", 80), "remote": SocketAddress("10.9.1.2", 16924)}
    joined = {"local": SocketAddress("10.9.3.101", 80), "remote": SocketAddress("10.9.3.2", 10777)}
    assert token == 0xEC3C2957
    assert [event for event in found if event.token == token] == [
        Event(EventType.CREATED, token, **initial, server_side=True),
        Event(EventType.ESTABLISHED, token, **initial, server_side=True),
        Event(EventType.SUB_ESTABLISHED, token, **joined, local_id=1, remote_id=1),
        Event(EventType.SUB_CLOSED, token, **initial),
        Event(EventType.CLOSED, token),
    ]


def test_ipv6_and_ipv4_over_ipv6_of_linux_6_18() -> None:
    found = [event for event in events("events-linux-6.18", 0x1C) if isinstance(event, Event)]
    assert [event.type.name for event in found] == [
        *("LISTENER_CREATED", "CREATED", "ESTABLISHED", "SUB_ESTABLISHED", "SUB_CLOSED", "CLOSED", "LISTENER_CLOSED"),
        *("LISTENER_CREATED", "CREATED", "ESTABLISHED", "SUB_ESTABLISHED", "CLOSED", "LISTENER_CLOSED"),
    ]
    assert found[0] == Event(EventType.LISTENER_CREATED, local=SocketAddress("::", 80))
    ipv6, mapped = found[2], found[9]
    assert (ipv6.local, ipv6.remote) == (SocketAddress("fd09:1::80", 80), SocketAddress("fd09:1::2", 57462))
    assert (mapped.local, mapped.server_side) == (SocketAddress("::ffff:10.9.1.80", 80), True)
    assert mapped.local is not None and mapped.local.is_ipv4 and mapped.local.plain_host == "10.9.1.80"


def test_the_server_side_is_also_known_from_the_flags() -> None:
    """Since Linux 6.18 the attribute SERVER_SIDE is deprecated for a flag."""
    attribute = bytes.fromhex("0500120001000000")
    (data,) = [data for data in datagrams("events-linux-6.18")[:3] if data[16] == EventType.ESTABLISHED]
    assert attribute in data
    without = struct.pack("I", len(data) - 8) + data.replace(attribute, b"")[4:]
    (event,) = decode(without, 0x1C)
    assert isinstance(event, Event) and event.server_side


def test_a_client_side_connection_and_a_peer_that_denies_joins() -> None:
    data = bytes.fromhex("2c00000015000000000000000000000002010000 0800010001000000 0500120000000000 06000d0001000000")
    (event,) = decode(data, 0x15)
    assert event == Event(EventType.ESTABLISHED, 1, deny_join_id0=True)


def test_an_event_of_a_later_kernel_is_told_by_its_number() -> None:
    data = bytearray(datagrams("events-linux-6.12")[0])
    data[16] = 99
    assert list(decode(bytes(data), 0x15)) == [99]


def test_messages_of_other_families_are_left_out() -> None:
    assert list(decode(datagrams("events-linux-6.12")[0], 0x16)) == []


def test_subflows_of_linux_6_12() -> None:
    (answer, end) = datagrams("subflows-linux-6.12")
    found, complete = subflows.decode(answer)
    assert not complete
    assert subflows.decode(end) == ([], True)
    initial, joined = (found[index] for index in (0, 2))
    assert len(found) == 4
    assert initial == Subflow(
        token=0x0E752882,
        local=SocketAddress("10.9.1.80", 80),
        remote=SocketAddress("10.9.1.2", 28844),
        initial=True,
        server_side=True,
        backup=True,
        fully_established=True,
    )
    assert (joined.token, joined.initial, joined.backup) == (0x0E752882, False, False)
    assert (joined.local, joined.remote) == (SocketAddress("10.9.3.101", 80), SocketAddress("10.9.3.2", 13477))


def test_a_kernel_without_tcp_diag_says_so() -> None:
    refusal = struct.pack("IHHIIi", 36, 2, 0, 2, 0, -errno.ENOENT) + bytes(16)
    with pytest.raises(TestbedError, match="inet_diag of TCP: No such file or directory"):
        subflows.decode(refusal)


def test_plain_tcp_is_not_a_subflow() -> None:
    """The same socket without its ULP: INET_DIAG_ULP_INFO (19) becomes an unknown attribute."""
    (answer, _end) = datagrams("subflows-linux-6.12")
    assert subflows.decode(answer.replace(bytes.fromhex("68001300"), bytes.fromhex("6800ff00"))) == ([], False)


def test_a_subflow_without_flags_or_token_is_left_out() -> None:
    """MPTCP_SUBFLOW_ATTR_FLAGS (8) and _TOKEN_LOC (2), four bytes each, become unknown attributes."""
    (answer, _end) = datagrams("subflows-linux-6.12")
    assert subflows.decode(answer)[0]
    for attribute in ("08000800", "08000200"):
        assert bytes.fromhex(attribute) in answer
        assert subflows.decode(answer.replace(bytes.fromhex(attribute), bytes.fromhex("0800fe00"))) == ([], False)


def test_a_cut_answer_is_one_line() -> None:
    with pytest.raises(TestbedError, match="inet_diag of TCP: a message that is cut"):
        subflows.decode(bytes.fromhex("140000000200020000002c00000000000022b700"))
