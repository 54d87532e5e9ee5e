"""How many sockets of TCP and MPTCP a node has, as its kernel counts them.

Sources: net/ipv4/proc.c, `sockstat_seq_show`; net/core/sock.c, `proto_seq_printf`.
"""

from __future__ import annotations

from dataclasses import dataclass

from testbed.net import counters
from testbed.net.netns import Node


@dataclass(frozen=True)
class SocketCounts:
    """Sockets of TCP (subflows and listeners among them) and of MPTCP; and connections in TIME_WAIT.

    `half_open` are those that a listener has answered with a SYN+ACK, and whose third ACK has not come: no sockets yet,
    and counted as none by the kernel, but one repeats its SYN+ACK for a minute, and meets the next SYN with an ACK.
    """

    tcp: int
    mptcp: int
    time_wait: int
    half_open: int


def socket_counts(node: Node) -> SocketCounts:
    """Those of a node now."""
    of_ipv4, of_ipv6 = _in_use(node.read("sockstat")), _in_use(node.read("sockstat6"))
    tcp = of_ipv4.get("TCP inuse", 0) + of_ipv6.get("TCP6 inuse", 0)
    half_open = counters.half_open(node)
    return SocketCounts(tcp, _mptcp(node.read("protocols")), of_ipv4.get("TCP tw", 0), half_open)


def _in_use(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in text.splitlines():
        protocol, _, words = line.partition(": ")
        pairs = words.split()
        found |= {f"{protocol} {name}": int(count) for name, count in zip(pairs[::2], pairs[1::2], strict=False)}
    return found


def _mptcp(text: str) -> int:
    rows = (line.split() for line in text.splitlines()[1:])
    return sum(int(row[2]) for row in rows if row[0] in ("MPTCP", "MPTCPv6"))
