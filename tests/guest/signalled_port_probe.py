"""Runs inside a guest: connections to the ports that servers announce for joins; prints what became of them."""

from __future__ import annotations

import errno
import json
import socket
import sys

from open_connections import staged

from testbed.net.counters import protocol_counters
from testbed.net.netns import inside

MPTCP = 262
REFUSALS = "MPTcpExtMPCapableEndpAttempt"


def main() -> None:
    found = []
    with staged('{part = "signalled-port"}', 'protocols=["mptcp"]') as ready:
        for server in ready.servers:
            for protocol in (socket.IPPROTO_TCP, MPTCP):
                with inside(ready.client), socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol) as one:
                    one.settimeout(5)
                    said = errno.errorcode.get(one.connect_ex(server.announced), "0")
                found.append([server.node.name, *server.announced, said])
        counted = {server.node.name: protocol_counters(server.node).get(REFUSALS, 0) for server in ready.servers}
    json.dump({"connections": found, "refused": counted}, sys.stdout)


main()
