"""A node that passes frames between its first two interfaces, and may alter, drop or tag them on the way.

Altered TCP segments get a new TCP checksum, so that only MPTCP can notice. Segmentation and checksum offload must be
off at the hosts.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator

from testbed.net.netns import Node, inside

Alter = Callable[[bytearray, int], bytes | None]
"""Takes a frame, and where its TCP header starts (0: no TCP); gives the frame to pass on, None for none."""

_ETHERNET, _ALL, _OUTGOING = 14, 0x0003, 4


@contextlib.contextmanager
def passing(node: Node, alter: Alter) -> Iterator[None]:
    """Pass frames until the block ends."""
    with contextlib.ExitStack() as stack:
        ports = []
        for number in (0, 1):
            with inside(node):
                port = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL)))
            port.bind((f"{node.name}-eth{number}", _ALL))
            ports.append(port)
        wake, sleeper = socket.socketpair()
        thread = threading.Thread(target=_pass, args=(ports, sleeper, alter))
        thread.start()
        try:
            yield
        finally:
            wake.close()
            thread.join()
            sleeper.close()


def _pass(ports: list[socket.socket], sleeper: socket.socket, alter: Alter) -> None:
    other = dict(zip(ports, reversed(ports), strict=True))
    while True:
        ready, _, _ = select.select([*ports, sleeper], [], [])
        if sleeper in ready:
            return
        for port in ready:
            frame, (_, _, kind, *_) = port.recvfrom(1 << 16)
            if kind == _OUTGOING:
                continue
            passed = alter(bytearray(frame), _tcp_at(frame))
            if passed is not None:
                other[port].send(passed)


def _tcp_at(frame: bytes) -> int:
    protocol = frame[12:14]
    if protocol == b"\x08\x00" and frame[23] == socket.IPPROTO_TCP:
        return _ETHERNET + (frame[14] & 0x0F) * 4
    if protocol == b"\x86\xdd" and frame[20] == socket.IPPROTO_TCP:
        return _ETHERNET + 40
    return 0


def payload_at(frame: bytes, tcp: int) -> int:
    """Where the payload of the TCP segment starts."""
    return tcp + (frame[tcp + 12] >> 4) * 4


def packet_end(frame: bytes, tcp: int) -> int:
    """Where the IP packet ends."""
    if frame[14] >> 4 == 6:
        return tcp + int.from_bytes(frame[18:20], "big")
    return _ETHERNET + int.from_bytes(frame[16:18], "big")


def with_checksum(frame: bytearray, tcp: int) -> bytes:
    """The frame with the TCP checksum that its bytes ask for (RFC 9293 section 3.1)."""
    end = packet_end(frame, tcp)
    frame[tcp + 16 : tcp + 18] = b"\0\0"
    addresses = frame[22:54] if frame[14] >> 4 == 6 else frame[26:34]
    summed = bytes(addresses) + struct.pack(">HH", socket.IPPROTO_TCP, end - tcp) + bytes(frame[tcp:end])
    if len(summed) % 2:
        summed += b"\0"
    total = sum(struct.unpack(f">{len(summed) // 2}H", summed))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    frame[tcp + 16 : tcp + 18] = (~total & 0xFFFF).to_bytes(2, "big")
    return bytes(frame)
