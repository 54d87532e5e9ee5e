"""A balancer that knows MPTCP's connections: a program on a director's node, packet by packet, with two tables.

The paper's [26]: whoever sees the third ACK of an MP_CAPABLE handshake knows both keys (RFC 8684 section 3.1), and so
the token (section 3.2) by which a SYN that joins says whose subflow it will be. So that SYN comes to the same server.

Takes IPv4 packets to the service where they arrive, beside the kernel (packet(7)), and sends them on as they are to the
link-layer address of their flow's server. What it does not know, a flow or a token, is new. It is told of its pool at a
socket, and says there how much it knows: `python -m testbed.tools.mptcp_balancer CONFIGURATION SOCKET`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import select
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from testbed.base.errors import ReadbackError, TestbedError
from testbed.net.netns import Node
from testbed.process import CommandLog, Process

_ETHERNET, _IPV4, _ALL = 14, b"\x08\x00", 0x0003  # ETH_P_ALL
_SOL_PACKET, _VNET_HEADER, _VNET_BYTES = 263, 15, 10  # PACKET_VNET_HDR: segments and checksums are left to the card
_LARGEST = 1 << 17
_SYN, _RST, _ACK = 0x02, 0x04, 0x10
_END, _NO_OPERATION, _MPTCP = 0, 1, 30  # kinds of options
_CAPABLE, _JOIN = 0, 1  # RFC 8684 section 8
_BOTH_KEYS_BYTES = 20
_TIMEOUT_S = 60.0


class Configuration(BaseModel):
    """What it is started with: where packets to the service arrive, and the ways to servers.

    A way is an interface, and the link-layer addresses, target and source, with which frames leave there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    interface: str
    address: str
    port: int
    ways: Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Segment:
    """What matters of a TCP segment to the service: the token that it joins, that of its keys, and if it resets."""

    flow: bytes  # the client's address and port
    joins: bytes = b""
    opens: bytes = b""
    resets: bool = False


def segment(packet: bytes, service: bytes) -> Segment | None:
    """A packet of IPv4 as that; None if it is not to the service (address and port)."""
    tcp = packet[(packet[0] & 0x0F) * 4 :]
    if packet[9] != socket.IPPROTO_TCP or packet[16:20] + tcp[2:4] != service or len(tcp) < 20:
        return None
    flow, flags = packet[12:16] + tcp[0:2], tcp[13]
    for option in _mptcp_options(tcp[20 : (tcp[12] >> 4) * 4]):
        subtype = option[2] >> 4
        if subtype == _JOIN and flags & (_SYN | _ACK) == _SYN and len(option) >= 8:
            return Segment(flow, joins=option[4:8])
        if subtype == _CAPABLE and not flags & _SYN and len(option) >= _BOTH_KEYS_BYTES:
            return Segment(flow, opens=hashlib.sha256(option[12:20]).digest()[:4])
    return Segment(flow, resets=bool(flags & _RST))


def _mptcp_options(options: bytes) -> Iterator[bytes]:
    """Each of them, up to the end of the list or an option that has no length."""
    while len(options) > 1 and options[0] != _END:
        kind, length = options[0], 1 if options[0] == _NO_OPERATION else options[1]
        if kind != _NO_OPERATION and length < 2:
            return
        if kind == _MPTCP and length > 2:
            yield options[:length]
        options = options[length:]


@dataclass
class Tables:
    """What it knows: the server of each flow, and of each token; new flows come to those of the pool in turn."""

    pool: Sequence[str]
    flows: dict[bytes, str] = field(default_factory=dict)
    tokens: dict[bytes, str] = field(default_factory=dict)
    turn: int = 0

    def server_of(self, each: Segment) -> str:
        """To whom a segment goes; what it says is remembered."""
        server = self.tokens.get(each.joins) if each.joins else self.flows.get(each.flow)
        if server is None:
            server = self.pool[self.turn % len(self.pool)]
            self.turn += 1
        self.flows[each.flow] = server
        if each.opens:
            self.tokens[each.opens] = server
        if each.resets:
            del self.flows[each.flow]
        return server


class Balancer:
    """The program: sockets at its interfaces, one to be told at, and the tables."""

    def __init__(self, told: Configuration, control: Path) -> None:
        self._service = socket.inet_aton(told.address) + told.port.to_bytes(2, "big")
        self._tables = Tables(list(told.ways))
        self._arriving = _packet_socket(told.interface, _ALL)
        # Of protocol 0 a socket gets nothing.
        self._ways = {name: (_packet_socket(each, 0), bytes.fromhex(link)) for name, (each, link) in told.ways.items()}
        self._control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Who sees its name can connect.
        draft = control.with_suffix(".new")
        self._control.bind(str(draft))
        self._control.listen()
        draft.rename(control)

    def run(self) -> None:
        """Until it is killed."""
        while True:
            ready, _, _ = select.select([self._arriving, self._control], [], [])
            if self._control in ready:
                self._answer()
            if self._arriving in ready:
                self._pass_on()

    def _pass_on(self) -> None:
        frame, (_, _, kind, *_) = self._arriving.recvfrom(_LARGEST)
        at = _VNET_BYTES + _ETHERNET
        arrives = kind != socket.PACKET_OUTGOING and frame[at - 2 : at] == _IPV4 and len(frame) >= at + 40
        if not arrives or (found := segment(frame[at:], self._service)) is None:
            return
        leaving, link = self._ways[self._tables.server_of(found)]
        try:
            leaving.send(frame[:_VNET_BYTES] + link + frame[at - 2 :])
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # a full queue, or a link without power: the packet is lost
                raise

    def _answer(self) -> None:
        """A message of JSON: the servers of the pool from now on, or null; how much it knows then, as another one."""
        connection, _ = self._control.accept()
        with connection:
            tables = self._tables
            tables.pool = json.loads(connection.recv(_LARGEST)) or tables.pool
            known = {"pool": list(tables.pool), "flows": len(tables.flows), "tokens": len(tables.tokens)}
            connection.send(json.dumps(known).encode())


@contextlib.contextmanager
def running(node: Node, told: Configuration, work: Path, log: CommandLog) -> Iterator[Process]:
    """Run it on a node until the block ends; returns once it can be told of a pool. Its socket is in `work`.

    Raises `CommandError` with its last words if it does not start, and `GuestTimeout`.
    """
    control, complaints = _control(work, node.name), work / f"balancer-{node.name}.txt"
    control.unlink(missing_ok=True)
    argv = node.enter(sys.executable, "-m", "testbed.tools.mptcp_balancer", told.model_dump_json(), str(control))
    with complaints.open("wb") as err, Process(argv, stderr=err, log=log, keeps_id=False) as process:
        process.wait_until(control.exists, "balancer", said=complaints, timeout_s=_TIMEOUT_S)
        yield process


def tell(work: Path, node: str, pool: Sequence[str] | None) -> dict[str, Any]:
    """Tell the one on a node of its pool (None: nothing new); what it knows. Raises `TestbedError`, `ReadbackError`."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.connect(str(_control(work, node)))
            connection.send(json.dumps(pool).encode())
            known: dict[str, Any] = json.loads(connection.recv(_LARGEST))
    except (OSError, ValueError) as error:
        raise TestbedError(f"balancer on {node}: {error}") from error
    if pool is not None and known["pool"] != list(pool):
        raise ReadbackError(f"pool of the balancer on {node}", list(pool), known["pool"])
    return known


def _control(work: Path, node: str) -> Path:
    return work / f"balancer-{node}.sock"


def _packet_socket(interface: str, protocol: int) -> socket.socket:
    found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    found.setsockopt(_SOL_PACKET, _VNET_HEADER, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    found.bind((interface, protocol))
    return found


if __name__ == "__main__":
    Balancer(Configuration.model_validate_json(sys.argv[1]), Path(sys.argv[2])).run()
