"""A packet in words: one row of a capture, with sequence numbers that count from its connection's SYN."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from analysis.flows.mptcp_options import DENY_JOIN_TO_INITIAL_ADDRESS, parse_handshake_options
from analysis.pcap import ACK, FIN, PSH, RST, SYN, Packets, read_stored_pcap, with_first_ipv6
from testbed.base.files import open_regular

_FLAGS = ((SYN, "SYN"), (FIN, "FIN"), (RST, "RST"), (PSH, "PSH"), (ACK, "ACK"))
_TIMESTAMPS, _MPTCP = 8, 30
_NAMES = {2: "MSS", 3: "window scale", 4: "SACK permitted", 5: "SACK"}
_SUBTYPES = ("MP_CAPABLE", "MP_JOIN", "DSS", "ADD_ADDR", "REMOVE_ADDR", "MP_PRIO", "MP_FAIL", "MP_FASTCLOSE",
             "MP_TCPRST")  # fmt: skip


@dataclass(frozen=True)
class PacketText:
    """One packet: `t_s` in seconds since the workload's start; `seq` and `ack` as text, absolute in a SYN.

    It is packet `number` (from 1) of its interface's capture.
    """

    t_s: float
    interface: str
    number: int
    ends: str
    flags: str
    seq: str
    ack: str
    payload_bytes: int
    window: int
    options: str


@dataclass(frozen=True, eq=False)
class Capture:
    """One interface's capture; `start_ns` is the time of the workload's start.

    The IPv6 addresses `ipv6` have the first numbers, which are the same then in every capture.
    """

    interface: str
    path: Path
    start_ns: int
    ipv6: Sequence[bytes] = ()

    @cached_property
    def packets(self) -> Packets:
        """The packets, read when they are first needed; raises AnalysisError."""
        return with_first_ipv6(read_stored_pcap(self.path), self.ipv6)

    def text(self, row: int) -> PacketText:
        """The packet in that row, in words."""
        packets = self.packets
        flags = int(packets.flags[row])
        seq, ack = int(packets.seq[row]), int(packets.ack[row])
        if not flags & SYN:
            seq = (seq - self._initial(row, reverse=False)) % 2**32
        if not (flags & SYN and not flags & ACK):
            ack = (ack - self._initial(row, reverse=True)) % 2**32
        return PacketText(
            t_s=(int(packets.time_ns[row]) - self.start_ns) / 1e9,
            interface=self.interface,
            number=row + 1,
            ends=f"{self._end(row, 'src', 'sport')} > {self._end(row, 'dst', 'dport')}",
            flags=",".join(name for bit, name in _FLAGS if flags & bit),
            seq=str(seq),
            ack=str(ack) if flags & ACK else "",
            payload_bytes=int(packets.payload_bytes[row]),
            window=int(packets.window[row]),
            options=describe_options(self.options(row), syn=bool(flags & SYN)),
        )

    def options(self, row: int) -> bytes:
        """The raw TCP options of that row."""
        with open_regular(self.path) as file:
            file.seek(int(self.packets.option_offset[row]))
            return file.read(int(self.packets.option_bytes[row]))

    def _end(self, row: int, address: str, port: str) -> str:
        packets = self.packets
        version = int(packets.ip_version[row])
        host = packets.address(int(getattr(packets, address)[row]), version)
        return f"{f'[{host}]' if version == 6 else host}:{int(getattr(packets, port)[row])}"

    def _initial(self, row: int, *, reverse: bool) -> int:
        """Sequence number of the last SYN before the row in its direction (or the other one); 0 without one."""
        packets = self.packets
        src, sport, dst, dport = (column[row] for column in (packets.src, packets.sport, packets.dst, packets.dport))
        if reverse:
            src, sport, dst, dport = dst, dport, src, sport
        syns = np.flatnonzero(packets.flags[:row] & SYN)
        syns = syns[(packets.sport[syns] == sport) & (packets.dport[syns] == dport)]
        syns = syns[(packets.src[syns] == src) & (packets.dst[syns] == dst)]
        return int(packets.seq[syns[-1]]) if len(syns) else 0


def describe_options(raw: bytes, *, syn: bool) -> str:
    """TCP options in words; of MPTCP's, the fields of MP_CAPABLE and MP_JOIN in a handshake, else the names."""
    words = []
    at = 0
    while at < len(raw) and raw[at] != 0:
        if raw[at] == 1:
            at += 1
            continue
        length = raw[at + 1] if at + 1 < len(raw) else 0
        body = raw[at : at + length]
        if length < 2 or len(body) < length:
            words.append("cut")
            break
        if raw[at] == _TIMESTAMPS and length == 10:
            words.append("TS {} {}".format(*struct.unpack(">II", body[2:])))
        elif raw[at] == _MPTCP and length >= 3:
            words.append(_describe_mptcp(body, syn=syn))
        elif raw[at] == 2 and length == 4:
            words.append(f"MSS {int.from_bytes(body[2:], 'big')}")
        else:
            words.append(_NAMES.get(raw[at], f"option {raw[at]}"))
        at += length
    return ", ".join(words)


def _describe_mptcp(body: bytes, *, syn: bool) -> str:
    subtype = body[2] >> 4
    name = _SUBTYPES[subtype] if subtype < len(_SUBTYPES) else f"MPTCP {subtype}"
    if not syn:
        return name
    found = parse_handshake_options(body)
    if found.mp_capable is not None:
        denies = " C" if found.mp_capable.flags & DENY_JOIN_TO_INITIAL_ADDRESS else ""
        key = f" key {found.mp_capable.sender_key.hex()}" if found.mp_capable.sender_key else ""
        return f"{name}{denies}{key}"
    if found.mp_join is not None:
        token = f" token {found.mp_join.token:08x}" if found.mp_join.token is not None else ""
        return f"{name} id {found.mp_join.address_id}{' backup' if found.mp_join.backup else ''}{token}"
    return name
