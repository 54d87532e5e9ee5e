"""Runs inside a guest: hand-made frames past the loss injector; prints what it counted, as JSON.

argv: the directory of `packet_maker`, and a JSON list of pairs: a packet that the injector is to drop, a case's name.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

from pyroute2 import IPRoute

from testbed.net import loss_injection
from testbed.net.netns import Node
from testbed.process import CommandLog

sys.path.insert(0, sys.argv[1])
import packet_maker as make

KEY, OTHER_KEY = b"AAAAAAAA", b"BBBBBBBB"
ADD_ADDR = bytes([30, 16, 0x30, 1]) + bytes(12)
ECHO = bytes([30, 8, 0x31, 1]) + bytes(4)
PRIO = bytes([30, 3, 0x51])
DSS = bytes([30, 8, 0x20, 0x01]) + bytes(4)
SACK = bytes([1, 1, 5, 10]) + bytes(8)


def syn(port: int, isn: int = 1) -> bytes:
    return make.to_server(port, 80, make.SYN, seq=isn, options=make.MSS + make.mp_capable())


def join(port: int, key: bytes) -> bytes:
    options = make.MSS + make.mp_join_syn(make.token_of(key))
    return make.to_server(port, 80, make.SYN, src=make.CLIENT_DIRECT, dst=make.UNIQUE, options=options)


def join_answer(port: int) -> bytes:
    options = make.MSS + make.mp_join_syn_ack()
    return make.to_client(80, port, make.SYN | make.ACK, src=make.UNIQUE, dst=make.CLIENT_DIRECT, options=options)


def from_server(port: int, options: bytes, **more: object) -> bytes:
    return make.to_client(80, port, make.ACK, options=options, **more)


CASES = {
    "behind other options": [syn(1001), from_server(1001, make.TIMESTAMPS + SACK + DSS + PRIO)],
    "twice": [syn(1001), from_server(1001, ADD_ADDR), from_server(1001, ADD_ADDR), from_server(1001, ECHO)],
    "ports used again": [
        syn(1001, 1), syn(1001, 1), from_server(1001, ADD_ADDR), syn(1001, 2), from_server(1001, ADD_ADDR),
    ],
    "on a join": [
        syn(1001), join(2001, KEY), from_server(2001, ADD_ADDR, src=make.UNIQUE, dst=make.CLIENT_DIRECT),
    ],
    "two joins of one connection": [join(2001, KEY), join(2001, KEY), join(2002, KEY), join(2003, OTHER_KEY)],
    "answers to two joins of one connection": [
        join(2001, KEY), join_answer(2001), join(2002, KEY), join_answer(2002), join_answer(2003),
    ],
    "malformed": [
        syn(1001), from_server(1001, bytes([30, 0, 0x30, 0])), from_server(1001, bytes([1, 1, 1, 30])),
        from_server(1001, bytes([8, 60, 30, 3])), from_server(1001, bytes([0, 30, 3, 0x51])), b"Ethernet alone",
        make.packet(make.VIP, make.CLIENT, 80, 1001, make.ACK, options=PRIO)[:54],
    ],
}  # fmt: skip


def counted(packet: str, case: str) -> list[int]:
    """Connections, packets and drops that the injector counts when the case's frames come by."""
    here, work = Node("here", os.getpid()), Path("/tmp/probe")
    with (
        loss_injection.injecting([(here, "other")], packet, 1, work, log=CommandLog()) as injector,
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender,
    ):
        sender.bind(("one", 0))
        for frame in CASES[case]:
            sender.send(frame)
        counts = injector.counts()
    return [counts.connections, counts.packets, counts.dropped]


if __name__ == "__main__":
    with IPRoute() as network:
        network.link("add", ifname="one", kind="veth", peer="other")
        for name in ("one", "other"):
            network.link("set", index=network.link_lookup(ifname=name)[0], state="up")
    print(json.dumps([counted(packet, case) for packet, case in json.loads(sys.argv[2])]))
