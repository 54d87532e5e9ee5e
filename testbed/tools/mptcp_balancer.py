"""A balancer that knows MPTCP's connections: a program on a director's node, packet by packet, with two tables.

The paper's [26]: whoever sees the third ACK of an MP_CAPABLE handshake knows both keys (RFC 8684 section 3.1), and so
the token (section 3.2) by which a SYN that joins says whose subflow it will be. So that SYN comes to the same server.

Takes IPv4 packets to the service where they arrive, beside the kernel (packet(7)), and sends them on as they are to the
link-layer address of their flow's server. What it does not know, a flow or a token, is new. It is told of its pool at a
socket, and says there how much it knows: `python -m testbed.tools.mptcp_balancer CONFIGURATION`.
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
_MPTCP, _CAPABLE, _JOIN = 30, 0, 1  # RFC 8684 section 8
_BOTH_KEYS_BYTES = 20
_TIMEOUT_S = 60.0

Flow = tuple[bytes, bytes]
"""A client's address and port."""


class Way(BaseModel):
    """How a server is reached: by which interface, from which link-layer address to which."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interface: str
    source: str
    target: str


class Configuration(BaseModel):
    """What it is started with: where packets to the service arrive, the ways to servers, where it is told of more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interface: str
    address: str
    port: int
    ways: Mapping[str, Way]
    control: Path


@dataclass(frozen=True)
class Segment:
    """What matters of a TCP segment to the service: its flow and flags, the token that it joins, that of its keys."""

    flow: Flow
    flags: int
    joins: bytes = b""
    opens: bytes = b""


def segment(packet: bytes, address: bytes, port: int) -> Segment | None:
    """A packet of IPv4 as that; None if it is not to the service."""
    start = (packet[0] & 0x0F) * 4
    tcp = packet[start:]
    if packet[9] != socket.IPPROTO_TCP or packet[16:20] != address or len(tcp) < 20:
        return None
    if int.from_bytes(tcp[2:4], "big") != port:
        return None
    flow, flags = (packet[12:16], tcp[0:2]), tcp[13]
    for option in _mptcp_options(tcp[20 : (tcp[12] >> 4) * 4]):
        subtype = option[2] >> 4
        if subtype == _JOIN and flags & (_SYN | _ACK) == _SYN and len(option) >= 8:
            return Segment(flow, flags, joins=option[4:8])
        if subtype == _CAPABLE and not flags & _SYN and len(option) >= _BOTH_KEYS_BYTES:
            return Segment(flow, flags, opens=hashlib.sha256(option[12:20]).digest()[:4])
    return Segment(flow, flags)


def _mptcp_options(options: bytes) -> list[bytes]:
    """Each of them, whole."""
    found, at = [], 0
    while at < len(options) and options[at] != 0:
        length = 1 if options[at] == 1 else options[at + 1] if at + 1 < len(options) else 0
        if length < 1 or (options[at] != 1 and length < 2):
            break
        if options[at] == _MPTCP and length > 2:
            found.append(options[at : at + length])
        at += length
    return found


@dataclass
class Tables:
    """What it knows: the server of each flow, and of each token; new flows come to those of the pool in turn."""

    pool: Sequence[str]
    flows: dict[Flow, str] = field(default_factory=dict)
    tokens: dict[bytes, str] = field(default_factory=dict)
    turn: int = 0

    def server_of(self, each: Segment) -> str:
        """To whom a segment goes; what it says is remembered."""
        opens = each.flags & (_SYN | _ACK) == _SYN
        server = self.tokens.get(each.joins) if each.joins else None if opens else self.flows.get(each.flow)
        if opens and not each.joins and each.flow in self.flows:
            server = self.flows[each.flow]  # the same SYN once more
        if server is None:
            server = self.pool[self.turn % len(self.pool)]
            self.turn += 1
        self.flows[each.flow] = server
        if each.opens:
            self.tokens[each.opens] = server
        if each.flags & _RST:
            self.flows.pop(each.flow, None)
        return server


class Balancer:
    """The program: sockets at its interfaces, one to be told at, and the tables."""

    def __init__(self, told: Configuration) -> None:
        self._told, self._address = told, socket.inet_aton(told.address)
        self._tables = Tables(list(told.ways))
        self._arriving = _packet_socket(told.interface)
        interfaces = {way.interface for way in told.ways.values()}
        self._leaving = {name: _packet_socket(name, receives=False) for name in sorted(interfaces)}
        self._links = {
            name: bytes.fromhex((way.target + way.source).replace(":", "")) for name, way in told.ways.items()
        }
        self._control = socket.socket(socket.AF_UNIX)
        # Who sees its name can connect.
        draft = told.control.with_suffix(".new")
        draft.unlink(missing_ok=True)
        self._control.bind(str(draft))
        self._control.listen()
        draft.rename(told.control)

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
        if kind == socket.PACKET_OUTGOING or frame[at - 2 : at] != _IPV4 or len(frame) < at + 40:
            return
        found = segment(frame[at:], self._address, self._told.port)
        if found is None:
            return
        server = self._tables.server_of(found)
        link = self._leaving[self._told.ways[server].interface]
        try:
            link.send(frame[:_VNET_BYTES] + self._links[server] + frame[at - 2 :])
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # a full queue, or a link without power: the packet is lost
                raise

    def _answer(self) -> None:
        """One line of JSON: the servers of the pool from now on, or null; how much it knows then."""
        connection, _ = self._control.accept()
        with connection, connection.makefile("rw") as stream:
            if (pool := json.loads(stream.readline())) is not None:
                self._tables.pool = pool
            tables = self._tables
            known = {"pool": list(tables.pool), "flows": len(tables.flows), "tokens": len(tables.tokens)}
            stream.write(json.dumps(known) + "\n")


@contextlib.contextmanager
def running(node: Node, told: Configuration, work: Path, log: CommandLog) -> Iterator[Process]:
    """Run it on a node until the block ends; returns once it can be told of a pool. Its file goes to `work`.

    Raises `CommandError` with its last words if it does not start, and `GuestTimeout`.
    """
    file, complaints = (work / f"balancer-{node.name}.{kind}" for kind in ("json", "txt"))
    file.write_text(told.model_dump_json())
    told.control.unlink(missing_ok=True)
    argv = node.enter(sys.executable, "-m", "testbed.tools.mptcp_balancer", str(file))
    with complaints.open("wb") as err, Process(argv, stderr=err, log=log, keeps_id=False) as process:
        process.wait_until(told.control.exists, "balancer", said=complaints, timeout_s=_TIMEOUT_S)
        yield process


def tell(control: Path, pool: Sequence[str] | None) -> dict[str, Any]:
    """Tell a balancer of its pool (None: nothing new); what it knows. Raises `TestbedError`, `ReadbackError`."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(control))
            with connection.makefile("rw") as stream:
                stream.write(json.dumps(pool) + "\n")
                stream.flush()
                known: dict[str, Any] = json.loads(stream.readline())
    except (OSError, ValueError) as error:
        raise TestbedError(f"balancer at {control}: {error}") from error
    if pool is not None and known["pool"] != list(pool):
        raise ReadbackError(f"pool of the balancer at {control}", list(pool), known["pool"])
    return known


def _packet_socket(interface: str, *, receives: bool = True) -> socket.socket:
    # Of protocol 0 it gets nothing.
    found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL) if receives else 0)
    found.setsockopt(_SOL_PACKET, _VNET_HEADER, 1)
    if receives:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    found.bind((interface, _ALL if receives else 0))
    return found


if __name__ == "__main__":
    Balancer(Configuration.model_validate_json(Path(sys.argv[1]).read_text())).run()
