"""A filter of nftables on a server: to an address, its unique one, only subflows of MPTCP connections can be opened.

A SYN passes if the first MPTCP option in it is an MP_JOIN of a SYN's length, for that is the one by which the kernel
takes it for a join (net/mptcp/options.c, `mptcp_parse_option`); an MP_JOIN of another length it passes over, and
answers as if there were none. Where no MPTCP listens the kernel does not look for one at all: so joins are for the
service's port alone, and no SYN+ACK leaves that is not a join's itself. What the server sends to itself is not looked
at. The options are named by numbers (RFC 8684 section 3.2), which nft 1.0.6 knows as well as later ones.
"""

from __future__ import annotations

from typing import Literal

from testbed.base.families import family_of
from testbed.base.needs import Call, kernel
from testbed.net import nftables
from testbed.net.netns import Node, here
from testbed.net.nftables import IP, Table
from testbed.process import CommandLog, run

NEED = kernel(
    "nftables that know MPTCP's options",
    "CONFIG_NF_TABLES",
    "CONFIG_NF_TABLES_INET",
    "CONFIG_NFT_REJECT",
    purpose="a unique address for joins only",
    module="nft_reject_inet",
    probe=(Call(function="testbed.net.joins_only:probe"),),
)

Refusal = Literal["drop", "reset"]

JOINS, REFUSED, UNASKED = "joins", "refused", "unasked"
"""Counters: SYNs that passed, SYNs that did not, and SYN+ACKs that did not because they are no join's."""

_FAMILY, _NAME = "inet", "joins_only"
_REFUSALS = {"drop": "drop", "reset": "reject with tcp reset"}
_SYN, _SYN_ACK = "tcp flags syn / fin,syn,rst,ack", "tcp flags syn,ack / fin,syn,rst,ack"
_ANY_SYN = "tcp flags syn / syn,ack"
_SUBTYPE = 1
_SYN_BYTES, _SYN_ACK_BYTES = 12, 16


def probe() -> None:
    """Filter an address of either family, where it is thrown away."""
    for address in ("10.255.1.1", "fd00:255::1"):
        put(here(), address, 80, "reset")
        run(["nft", "delete", "table", _FAMILY, _NAME])


def table(address: str, port: int, refusal: Refusal) -> Table:
    """The filter of a unique address at which joins come to `port`."""
    ip = IP[family_of(address)]
    to, of = f'iifname != "lo" {ip} daddr {address}', f'oifname != "lo" {ip} saddr {address}'
    arriving = (
        "type filter hook input priority filter; policy accept;",
        f'{to} tcp dport {port} {_SYN} {_join(_SYN_BYTES)} counter name "{JOINS}" accept',
        f'{to} {_ANY_SYN} counter name "{REFUSED}" {_REFUSALS[refusal]}',
    )
    leaving = (
        "type filter hook output priority filter; policy accept;",
        f"{of} {_SYN_ACK} {_join(_SYN_ACK_BYTES)} accept",
        f'{of} {_SYN_ACK} counter name "{UNASKED}" drop',
    )
    return Table(_FAMILY, _NAME, (JOINS, REFUSED, UNASKED), {}, {"arriving": arriving, "leaving": leaving})


def put(server: Node, address: str, port: int, refusal: Refusal, log: CommandLog | None = None) -> list[str]:
    """Filter a server's address from now on; returns what reads back. Raises `CommandError`, `ReadbackError`."""
    return nftables.put(server, table(address, port, refusal), log)


def counted(server: Node) -> dict[str, int]:
    """What the filter has counted so far, in packets."""
    return {name: each.packets for name, each in nftables.counters(server, _FAMILY, _NAME).items()}


def _join(length: int) -> str:
    return f"tcp option mptcp subtype {_SUBTYPE} tcp option mptcp length {length}"
