"""Commands of the family `mptcp_pm` byte by byte, written down by hand from the kernel's mptcp_pm.h."""

from __future__ import annotations

import struct
import sys

import pytest

from testbed.net.mptcp_pm import commands
from testbed.net.mptcp_pm.addresses import SocketAddress
from testbed.net.mptcp_pm.messages import mptcp_msg

FAMILY_ID, SEQUENCE = 0x15, 7
TOKEN = 0x0BADCAFE

# Integers are in host order: what follows is for a little-endian machine, and checked on those.
pytestmark = pytest.mark.skipif(sys.byteorder != "little", reason="the bytes below are little-endian")


def encoded(message: mptcp_msg) -> bytes:
    message["header"].update(type=FAMILY_ID, flags=5, sequence_number=SEQUENCE, pid=0)
    message.encode()
    return bytes(message.data)


def hexes(text: str) -> bytes:
    """Bytes from hexadecimal; a `#` starts a remark."""
    return bytes.fromhex(" ".join(line.partition("#")[0] for line in text.splitlines()))


HEADER = """
    {length} 1500 0500 07000000 00000000   # nlmsghdr: length, family, REQUEST | ACK, sequence, port
    {command} 01 0000                      # genlmsghdr: command, version 1
    0800 0400 fecaad0b                     # TOKEN
"""


def test_announce_an_ipv4_address_without_a_port() -> None:
    assert encoded(commands.announce(TOKEN, SocketAddress("10.0.3.101"), 1)) == hexes(
        HEADER.format(length="40000000", command="08")
        + """
        2400 0180               # ADDR, nested
          0600 0100 0200 0000   #   FAMILY AF_INET
          0800 0300 0a000365    #   ADDR4, network order
          0500 0200 01 000000   #   ID 1
          0800 0600 01000000    #   FLAGS: SIGNAL
        """
    )


def test_announce_an_ipv6_address_with_a_port() -> None:
    assert encoded(commands.announce(TOKEN, SocketAddress("2001:db8::65", 8080), 200)) == hexes(
        HEADER.format(length="54000000", command="08")
        + """
        3800 0180
          0600 0100 0a00 0000                               #   FAMILY AF_INET6
          1400 0400 20010db8 00000000 00000000 00000065     #   ADDR6
          0500 0200 c8 000000                               #   ID 200
          0600 0500 901f 0000                               #   PORT 8080, host order
          0800 0600 01000000
        """
    )


def test_backup_names_both_ends_with_their_families() -> None:
    local, remote = SocketAddress("10.0.11.2", 80), SocketAddress("10.0.1.2", 40000)
    assert encoded(commands.set_backup(TOKEN, local, remote)) == hexes(
        HEADER.format(length="5c000000", command="07")
        + """
        2400 0180               # ADDR
          0600 0100 0200 0000
          0800 0300 0a000b02
          0600 0500 5000 0000   #   PORT 80, host order
          0800 0600 04000000    #   FLAGS: BACKUP
        1c00 0680               # ADDR_REMOTE
          0600 0100 0200 0000
          0800 0300 0a000102
          0600 0500 409c 0000   #   PORT 40000
        """
    )


def test_no_backup_is_flags_of_zero_not_no_flags() -> None:
    local, remote = SocketAddress("10.0.11.2", 80), SocketAddress("10.0.1.2", 40000)
    assert hexes("0800 0600 00000000") in encoded(commands.set_backup(TOKEN, local, remote, backup=False))


def test_destroy_of_an_ipv6_subflow() -> None:
    local, remote = SocketAddress("2001:db8::80", 80), SocketAddress("2001:db8::2", 40000)
    assert encoded(commands.subflow_destroy(TOKEN, local, remote)) == hexes(
        HEADER.format(length="6c000000", command="0b")
        + """
        2800 0180
          0600 0100 0a00 0000
          1400 0400 20010db8 00000000 00000000 00000080
          0600 0500 5000 0000
        2800 0680
          0600 0100 0a00 0000
          1400 0400 20010db8 00000000 00000000 00000002
          0600 0500 409c 0000
        """
    )


def test_create_and_remove() -> None:
    create = commands.subflow_create(TOKEN, SocketAddress("10.0.3.2"), SocketAddress("10.0.3.101", 80), 3, backup=True)
    assert encoded(create) == hexes(
        HEADER.format(length="5c000000", command="0a")
        + """
        2400 0180
          0600 0100 0200 0000
          0800 0300 0a000302
          0500 0200 03 000000
          0800 0600 06000000    #   FLAGS: SUBFLOW | BACKUP
        1c00 0680
          0600 0100 0200 0000
          0800 0300 0a000365
          0600 0500 5000 0000
        """
    )
    assert encoded(commands.remove(TOKEN, 0)) == hexes(
        HEADER.format(length="24000000", command="09") + "0500 0500 00 000000   # LOC_ID"
    )


def test_a_message_decodes_to_what_was_encoded() -> None:
    data = encoded(commands.set_backup(TOKEN, SocketAddress("10.0.11.2", 80), SocketAddress("2001:db8::2", 40000)))
    (length,) = struct.unpack_from("I", data)
    assert length == len(data)
    message = mptcp_msg(data)
    message.decode()
    assert message.get_attr("MPTCP_PM_ATTR_TOKEN") == TOKEN
    local, remote = message.get_attr("MPTCP_PM_ATTR_ADDR"), message.get_attr("MPTCP_PM_ATTR_ADDR_REMOTE")
    assert (local.get_attr("MPTCP_PM_ADDR_ATTR_ADDR4"), local.get_attr("MPTCP_PM_ADDR_ATTR_PORT")) == ("10.0.11.2", 80)
    assert local.get_attr("MPTCP_PM_ADDR_ATTR_FLAGS") == 4
    assert remote.get_attr("MPTCP_PM_ADDR_ATTR_ADDR6") == "2001:db8::2"
