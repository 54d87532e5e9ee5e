"""What a node's kernel has counted: TCP and MPTCP counters, and bytes per interface."""

from __future__ import annotations

from itertools import pairwise

from testbed.net.netns import Node

_SYN_RECEIVED = "03"  # TCP_SYN_RECV, include/net/tcp_states.h
_FAMILIES = {"Tcp": "Tcp", "TcpExt": "TcpExt", "MPTcpExt": "MPTcpExt"}


def protocol_counters(node: Node) -> dict[str, int]:
    """Every TCP and MPTCP counter above zero by its nstat name (`TcpOutRsts`, `MPTcpExtMPJoinSynRx`)."""
    found: dict[str, int] = {}
    for file in ("snmp", "netstat"):
        lines = node.read(file).splitlines()
        for names, values in list(pairwise(lines))[::2]:
            family, _, keys = names.partition(": ")
            if family in _FAMILIES:
                numbers = values.partition(": ")[2].split()
                found |= {f"{family}{key}": int(n) for key, n in zip(keys.split(), numbers, strict=True) if n != "0"}
    return found


def half_open(node: Node) -> int:
    """How many SYNs the node has answered and waits for, connections' and subflows' (the requests of its listeners)."""
    found = 0
    for file in ("tcp", "tcp6"):
        found += sum(line.split(maxsplit=4)[3] == _SYN_RECEIVED for line in node.read(file).splitlines()[1:])
    return found


def interface_counters(node: Node) -> dict[str, dict[str, int]]:
    """Bytes and packets of each interface but `lo`, received and sent."""
    found = {}
    for line in node.read("dev").splitlines()[2:]:
        name, _, numbers = line.partition(":")
        values = [int(number) for number in numbers.split()]
        if name.strip() != "lo":
            found[name.strip()] = {
                "rx_bytes": values[0],
                "rx_packets": values[1],
                "tx_bytes": values[8],
                "tx_packets": values[9],
            }
    return found
