"""An encoder of frames and captures that shares nothing with the decoder, and what a decoder must find in them.

Every option knows its bytes and the rows that it stands for; every packet knows its columns.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass, field
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
ETHERNET, SLL, SLL2, RAW = 1, 113, 276, 101


@dataclass(frozen=True)
class Opt:
    """A TCP option: its bytes, its bit in `options`, its table and the rows there ("": columns of the packet)."""

    raw: bytes
    bit: int = 0
    table: str = ""
    rows: tuple[dict[str, Any], ...] = ()
    columns: dict[str, int] = field(default_factory=dict)


def nop() -> Opt:
    return Opt(b"\x01")


def mss(value: int) -> Opt:
    return Opt(struct.pack(">BBH", 2, 4, value), 1 << 0, "handshake", ({"mss": value},))


def window_scale(shift: int) -> Opt:
    return Opt(bytes([3, 3, shift]), 1 << 1, "handshake", ({"window_scale": shift},))


def sack_permitted() -> Opt:
    return Opt(bytes([4, 2]), 1 << 2, "handshake", ({"sack_permitted": True},))


def sack(*blocks: tuple[int, int]) -> Opt:
    raw = bytes([5, 2 + 8 * len(blocks)]) + b"".join(struct.pack(">II", *block) for block in blocks)
    return Opt(raw, 1 << 3, "sack", tuple({"left": left, "right": right} for left, right in blocks))


def timestamps(value: int, echo: int) -> Opt:
    return Opt(struct.pack(">BBII", 8, 10, value, echo), 1 << 4, columns={"ts_value": value, "ts_echo": echo})


def unknown(kind: int, body: bytes) -> Opt:
    return Opt(bytes([kind, 2 + len(body)]) + body, 1 << 5)


def _mptcp(subtype: int, nibble: int, body: bytes, bit: int, table: str, *rows: dict[str, Any]) -> Opt:
    length = 3 + len(body)
    raw = bytes([30, length, subtype << 4 | nibble]) + body
    return Opt(raw, bit, table, tuple({"length": length, **row} for row in rows))


def mp_capable(
    *, version: int, flags: int, keys: tuple[int, ...] = (), data_length: int | None = None, checksum: int | None = None
) -> Opt:
    body = bytes([flags]) + b"".join(struct.pack(">Q", key) for key in keys)
    row: dict[str, Any] = {"version": version, "flags": flags}
    row |= dict(zip(("sender_key", "receiver_key"), keys, strict=False))
    if data_length is not None:
        body += struct.pack(">H", data_length)
        row["data_length"] = data_length
    if checksum is not None:
        body += struct.pack(">H", checksum)
        row["checksum"] = checksum
    return _mptcp(0, version, body, 1 << 8, "mp_capable", row)


def join_syn(*, backup: bool, address_id: int, token: int, nonce: int) -> Opt:
    body = struct.pack(">BII", address_id, token, nonce)
    row = {"backup": backup, "address_id": address_id, "token": token, "nonce": nonce}
    return _mptcp(1, int(backup), body, 1 << 9, "mp_join", row)


def join_syn_ack(*, backup: bool, address_id: int, truncated_hmac: int, nonce: int) -> Opt:
    body = struct.pack(">BQI", address_id, truncated_hmac, nonce)
    row = {"backup": backup, "address_id": address_id, "truncated_hmac": truncated_hmac, "nonce": nonce}
    return _mptcp(1, int(backup), body, 1 << 9, "mp_join", row)


def join_ack(hmac: bytes) -> Opt:
    return _mptcp(1, 0, bytes(1) + hmac, 1 << 9, "mp_join", {"hmac": hmac})


def dss(
    *,
    ack: tuple[int, int] | None = None,
    mapping: tuple[int, int, int, int] | None = None,
    checksum: int | None = None,
    fin: bool = False,
) -> Opt:
    """`ack`: bytes and value; `mapping`: bytes of the DSN, DSN, subflow sequence number, length."""
    flags, body, row = 0x10 if fin else 0, b"", dict[str, Any]()
    if ack:
        flags |= 0x01 | (0x02 if ack[0] == 8 else 0)
        body += ack[1].to_bytes(ack[0], "big")
        row["data_ack"] = ack[1]
    if mapping:
        size, dsn, subflow_seq, length = mapping
        flags |= 0x04 | (0x08 if size == 8 else 0)
        body += dsn.to_bytes(size, "big") + struct.pack(">IH", subflow_seq, length)
        row |= {"dsn": dsn, "subflow_seq": subflow_seq, "data_length": length}
        if checksum is not None:
            body += struct.pack(">H", checksum)
            row["checksum"] = checksum
    return _mptcp(2, 0, bytes([flags]) + body, 1 << 10, "dss", row | {"flags": flags})


def add_addr(*, echo: bool, address_id: int, address: Address, port: int | None = None, hmac: int | None = None) -> Opt:
    body = bytes([address_id]) + address.packed
    row: dict[str, Any] = {"echo": echo, "address_id": address_id, "address": address}
    if port is not None:
        body += struct.pack(">H", port)
        row["port"] = port
    if hmac is not None:
        body += struct.pack(">Q", hmac)
        row["hmac"] = hmac
    return _mptcp(3, int(echo), body, 1 << 11, "add_addr", row)


def remove_addr(*address_ids: int) -> Opt:
    rows = [{"address_id": address_id} for address_id in address_ids]
    return _mptcp(4, 0, bytes(address_ids), 1 << 12, "remove_addr", *rows)


def mp_prio(*, backup: bool, address_id: int | None = None) -> Opt:
    row: dict[str, Any] = {"backup": backup} | ({} if address_id is None else {"address_id": address_id})
    return _mptcp(5, int(backup), b"" if address_id is None else bytes([address_id]), 1 << 13, "mp_prio", row)


def mp_fail(dsn: int) -> Opt:
    return _mptcp(6, 0, bytes(1) + struct.pack(">Q", dsn), 1 << 14, "mp_fail", {"dsn": dsn})


def mp_fastclose(receiver_key: int) -> Opt:
    body = bytes(1) + struct.pack(">Q", receiver_key)
    return _mptcp(7, 0, body, 1 << 15, "mp_fastclose", {"receiver_key": receiver_key})


def mp_tcprst(*, flags: int, reason: int) -> Opt:
    return _mptcp(8, flags, bytes([reason]), 1 << 16, "mp_tcprst", {"flags": flags, "reason": reason})


def other_mptcp(subtype: int, body: bytes) -> Opt:
    return _mptcp(subtype, 0, body, 1 << 17, "other_mptcp", {"subtype": subtype})


@dataclass(frozen=True)
class Packet:
    """A TCP packet; `extensions` are IPv4 options or IPv6 extension headers with their type."""

    src: Address
    dst: Address
    sport: int = 1
    dport: int = 2
    seq: int = 0
    ack: int = 0
    flags: int = 0x10
    window: int = 0
    checksum: int = 0
    urgent: int = 0
    tos: int = 0
    ttl: int = 64
    ip_id: int = 0
    options: tuple[Opt, ...] = ()
    payload: int = 0
    vlans: tuple[int, ...] = ()
    ipv4_options: bytes = b""
    ipv6_extensions: tuple[tuple[int, bytes], ...] = ()

    @property
    def raw_options(self) -> bytes:
        raw = b"".join(option.raw for option in self.options)
        return raw + bytes(-len(raw) % 4)

    @property
    def ip_packet(self) -> bytes:
        offset_flags = (20 + len(self.raw_options)) // 4 << 12 | self.flags
        tcp = struct.pack(
            ">HHIIHHHH",
            self.sport,
            self.dport,
            self.seq,
            self.ack,
            offset_flags,
            self.window,
            self.checksum,
            self.urgent,
        )
        tcp += self.raw_options + bytes(self.payload)
        if self.src.version == 4:
            header = 20 + len(self.ipv4_options)
            start = struct.pack(
                ">BBHHHBBH", 0x40 | header // 4, self.tos, header + len(tcp), self.ip_id, 0x4000, self.ttl, 6, 0
            )
            return start + self.src.packed + self.dst.packed + self.ipv4_options + tcp
        kinds = [*(kind for kind, _ in self.ipv6_extensions), 6]
        extensions = b"".join(
            bytes([following]) + body for following, (_, body) in zip(kinds[1:], self.ipv6_extensions, strict=True)
        )
        length = len(extensions) + len(tcp)
        start = struct.pack(">IHBB", 6 << 28 | self.tos << 20 | 0x12345, length, kinds[0], self.ttl)
        return start + self.src.packed + self.dst.packed + extensions + tcp

    def frame(self, link_type: int) -> bytes:
        protocol = 0x0800 if self.src.version == 4 else 0x86DD
        types = [*(0x88A8 if number == 0 and len(self.vlans) > 1 else 0x8100 for number in range(len(self.vlans)))]
        types.append(protocol)
        tags = b"".join(
            struct.pack(">HH", 5 << 13 | vlan, following) for vlan, following in zip(self.vlans, types[1:], strict=True)
        )
        if link_type == ETHERNET:
            link = bytes.fromhex("020000000001020000000002") + struct.pack(">H", types[0]) + tags
        elif link_type == SLL:
            link = struct.pack(">HHH8sH", 0, 1, 6, bytes(8), types[0]) + tags
        elif link_type == SLL2:
            link = struct.pack(">HHIHBB8s", types[0], 0, 7, 1, 0, 6, bytes(8)) + tags
        else:
            link = b""
        return link + self.ip_packet

    @property
    def columns(self) -> dict[str, Any]:
        """What a decoder must find; addresses as objects."""
        found: dict[str, Any] = {
            name: getattr(self, name)
            for name in (
                "src", "dst", "sport", "dport", "seq", "ack", "flags", "window", "checksum", "urgent", "tos", "ttl"
            )
        }  # fmt: skip
        found |= {
            "ip_version": self.src.version,
            "ip_id": self.ip_id if self.src.version == 4 else 0,
            "vlan": next((vlan for vlan in self.vlans if vlan), 0),
            "ip_bytes": len(self.ip_packet),
            "header_bytes": 20 + len(self.raw_options),
            "payload_bytes": self.payload,
            "options": 0, "ts_value": 0, "ts_echo": 0,
        }  # fmt: skip
        for option in self.options:
            found["options"] |= option.bit
            found |= option.columns
        return found

    @property
    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """The rows of the packet's options by table."""
        found: dict[str, list[dict[str, Any]]] = {}
        for option in self.options:
            for row in option.rows:
                found.setdefault(option.table, []).append(row)
        if "handshake" in found:  # one row for all of them
            merged: dict[str, Any] = {}
            for row in found["handshake"]:
                merged |= row
            found["handshake"] = [merged]
        return found
