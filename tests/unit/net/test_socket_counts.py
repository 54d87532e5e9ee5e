"""How many sockets a node has, from the kernel's files, and what the kernel does not count as one."""

from __future__ import annotations

from testbed.net.netns import Node
from testbed.net.socket_counts import SocketCounts, socket_counts

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
FILES = {
    "sockstat": "sockets: used 5\nTCP: inuse 2 orphan 0 tw 1 alloc 3 mem 0\nUDP: inuse 0 mem 0\n",
    "sockstat6": "TCP6: inuse 1\nUDP6: inuse 0\n",
    "protocols": "protocol  size sockets  memory press maxhdr\nMPTCP     1976      3       0   no     0\n",
    "tcp": HEAD
    + "   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2301 1\n"
    + "   1: 020B000A:0050 0200000A:4E20 03 00000000:00000000 01:00000063 00000000     0        0 0 1\n"
    + "   2: 020B000A:0050 0200000A:4E21 01 00000000:00000000 00:00000000 00000000     0        0 2305 1\n",
    "tcp6": HEAD,
}


class Recorded(Node):
    """A node whose files in /proc/net are these."""

    def read(self, path: str) -> str:
        return FILES[path]


def test_a_connection_without_its_third_ack_is_half_open_and_no_socket_yet() -> None:
    assert socket_counts(Recorded("s1", 1)) == SocketCounts(tcp=3, mptcp=3, time_wait=1, half_open=1)
