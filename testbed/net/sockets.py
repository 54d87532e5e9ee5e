"""A node's TCP sockets, as /proc/net/tcp has them (Documentation/networking/proc_net_tcp.rst of the kernel)."""

from __future__ import annotations

from testbed.net.netns import Node

_ESTABLISHED, _LISTEN = "01", "0A"


def listens(node: Node, port: int, *, ipv6: bool = False) -> bool:
    """Whether somebody listens at that port."""
    return (_LISTEN, port) in _states(node.read("tcp6" if ipv6 else "tcp"))


def accepted(node: Node) -> int:
    """How many connections are open at ports at which somebody listens; of MPTCP each subflow is one."""
    found = _states(node.read("tcp")) + _states(node.read("tcp6"))
    ports = {port for state, port in found if state == _LISTEN}
    return sum(state == _ESTABLISHED and port in ports for state, port in found)


def _states(table: str) -> list[tuple[str, int]]:
    """The state and the local port of each socket."""
    rows = (row.split() for row in table.splitlines()[1:])
    return [(row[3], int(row[1].rpartition(":")[2], 16)) for row in rows]
