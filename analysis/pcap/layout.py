"""How the options of one TCP header are laid out: which option starts where, and where its fields lie.

The layout depends on few bytes only: kinds, lengths, MPTCP subtypes and flags. Headers that agree in those have
their fields in the same places, so a layout is worked out once (here, in plain Python) and then read from thousands
of headers at a time (in `options`). Everything that RFC 8684 says about the form of options is in this file, and what
RFC 6824 (version 0) has otherwise: the client's key in the SYN, ADD_ADDR with the IP version in place of flags and
without HMAC, MP_PRIO with an address id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from analysis.pcap.columns import U64
from analysis.pcap.tables import DSS_ACK, DSS_ACK_8, DSS_DSN_8, DSS_MAPPING, Option

OPTION_SPACE = 40
WORDS = OPTION_SPACE // 8
"""The option space of a TCP header, in bytes and in words of 64 bits."""

_END, _NO_OPERATION, _MSS, _WINDOW_SCALE, _SACK_PERMITTED, _SACK, _TIMESTAMPS, _MPTCP = 0, 1, 2, 3, 4, 5, 8, 30
_ADD_ADDR_FORMS = {  # length: (IP version, port?, HMAC?)
    8: (4, False, False), 10: (4, True, False), 16: (4, False, True), 18: (4, True, True),
    20: (6, False, False), 22: (6, True, False), 28: (6, False, True), 30: (6, True, True),
}  # fmt: skip

Field = tuple[str, int, str]
"""Column, offset in the option space, and NumPy type of a field."""


@dataclass(frozen=True)
class Item:
    """One row that a header contributes to a table: columns that the layout fixes, and columns to read."""

    table: str
    constants: Mapping[str, int]
    fields: tuple[Field, ...]


@dataclass(frozen=True, eq=False)
class Layout:
    """A layout: `words & mask == pattern` holds for the option spaces that have it, if their lengths are `key`."""

    key: int
    mask: U64
    pattern: U64
    options: int
    items: tuple[Item, ...]


def key_of(captured: int, declared: int) -> int:
    """The lengths of an option space as one number: bytes captured and bytes that the header declares."""
    return declared << 8 | captured


def work_out(raw: bytes, declared: int) -> Layout:
    """The layout of the captured option bytes `raw` of a header with `declared` option bytes (at most 40)."""
    walk = _Walk(raw, declared)
    walk.run()
    space = raw.ljust(OPTION_SPACE, b"\0")
    mask = bytes(0xFF if at in walk.structural else 0 for at in range(OPTION_SPACE))
    pattern = bytes(byte & keep for byte, keep in zip(space, mask, strict=True))
    return Layout(
        key=key_of(len(raw), declared),
        mask=np.frombuffer(mask, np.uint64),
        pattern=np.frombuffer(pattern, np.uint64),
        options=walk.options,
        items=tuple(walk.items),
    )


@dataclass
class _Walk:
    raw: bytes
    declared: int
    options: int = 0
    structural: set[int] = field(default_factory=set)
    items: list[Item] = field(default_factory=list)
    handshake: dict[str, int] = field(default_factory=lambda: {"window_scale": 255})
    handshake_fields: list[Field] = field(default_factory=list)

    def run(self) -> None:
        at = 0
        while at < len(self.raw):
            at = self._option(at)
            if not at:
                break
        else:
            if len(self.raw) < self.declared:
                self.options |= Option.CUT
        if self.options & (Option.MSS | Option.WINDOW_SCALE | Option.SACK_PERMITTED):
            self.items.append(Item("handshake", self.handshake, tuple(self.handshake_fields)))

    def _option(self, at: int) -> int:
        """Take in the option at `at`; where the next one starts, or 0 if there is none that can be read."""
        kind = self.raw[at]
        self.structural.add(at)
        if kind == _END:
            return 0
        if kind == _NO_OPERATION:
            return at + 1
        if at + 1 == len(self.raw):
            self.options |= Option.CUT if len(self.raw) < self.declared else Option.MALFORMED
            return 0
        length = self.raw[at + 1]
        self.structural.add(at + 1)
        if length < 2 or at + length > self.declared:
            self.options |= Option.MALFORMED
            return 0
        if at + length > len(self.raw):
            self.options |= Option.CUT
            return 0
        if kind == _MPTCP and length > 2:
            self._mptcp(at, length)
        else:
            self._tcp(kind, at, length)
        return at + length

    def _tcp(self, kind: int, at: int, length: int) -> None:
        if kind == _MSS and length == 4:
            self.options |= Option.MSS
            self.handshake_fields.append(("mss", at + 2, ">u2"))
        elif kind == _WINDOW_SCALE and length == 3:
            self.options |= Option.WINDOW_SCALE
            self.handshake_fields.append(("window_scale", at + 2, "u1"))
        elif kind == _SACK_PERMITTED and length == 2:
            self.options |= Option.SACK_PERMITTED
            self.handshake["sack_permitted"] = True
        elif kind == _SACK and length > 2 and length % 8 == 2:
            self.options |= Option.SACK
            for block in range(at + 2, at + length, 8):
                self.items.append(Item("sack", {}, (("left", block, ">u4"), ("right", block + 4, ">u4"))))
        elif kind == _TIMESTAMPS and length == 10:
            self.options |= Option.TIMESTAMPS
            self.items.append(Item("", {}, (("ts_value", at + 2, ">u4"), ("ts_echo", at + 6, ">u4"))))
        else:
            self.options |= Option.OTHER

    def _mptcp(self, at: int, length: int) -> None:
        self.structural.add(at + 2)
        subtype, flags = self.raw[at + 2] >> 4, self.raw[at + 2] & 0x0F
        if subtype == _DSS and length > 3:
            self.structural.add(at + 3)
            flags = self.raw[at + 3]
        found = list(_FORMS[subtype](at, length, flags)) if subtype < len(_FORMS) else []
        if found:
            self.options |= Option.MP_CAPABLE << subtype
            self.items += [Item(item.table, {"length": length, **item.constants}, item.fields) for item in found]
        else:
            self.options |= Option.OTHER_MPTCP
            self.items.append(Item("other_mptcp", {"length": length, "subtype": subtype}, ()))


# Each gives the items of one MPTCP option: where it starts, its length, the flags beside its subtype (of DSS: its
# byte of flags). No item: the length is none that RFC 8684 has.


def _mp_capable(at: int, length: int, version: int) -> Iterator[Item]:
    fields: list[Field] = [
        ("flags", at + 3, "u1"), ("sender_key", at + 4, ">u8"), ("receiver_key", at + 12, ">u8"),
        ("data_length", at + 20, ">u2"), ("checksum", at + 22, ">u2"),
    ]  # fmt: skip
    if length in (4, 12, 20, 22, 24):
        inside = tuple(each for each in fields if each[1] < at + length)
        yield Item("mp_capable", {"version": version}, inside)


def _mp_join(at: int, length: int, flags: int) -> Iterator[Item]:
    backup, address_id = {"backup": flags & 0x01}, ("address_id", at + 3, "u1")
    if length == 12:
        yield Item("mp_join", backup, (address_id, ("token", at + 4, ">u4"), ("nonce", at + 8, ">u4")))
    elif length == 16:
        yield Item("mp_join", backup, (address_id, ("truncated_hmac", at + 4, ">u8"), ("nonce", at + 12, ">u4")))
    elif length == 24:
        yield Item("mp_join", {}, (("hmac", at + 4, "V20"),))


def _dss(at: int, length: int, flags: int) -> Iterator[Item]:
    fields: list[Field] = []
    end = at + 4
    if flags & DSS_ACK:
        size = 8 if flags & DSS_ACK_8 else 4
        fields.append(("data_ack", end, f">u{size}"))
        end += size
    if flags & DSS_MAPPING:
        size = 8 if flags & DSS_DSN_8 else 4
        fields += [
            ("dsn", end, f">u{size}"), ("subflow_seq", end + size, ">u4"), ("data_length", end + size + 4, ">u2")
        ]  # fmt: skip
        end += size + 6
        if length == end + 2 - at:
            fields.append(("checksum", end, ">u2"))
            end += 2
    if length == end - at:
        yield Item("dss", {"flags": flags}, tuple(fields))


def _add_addr(at: int, length: int, flags: int) -> Iterator[Item]:
    if length not in _ADD_ADDR_FORMS:
        return
    version, has_port, has_hmac = _ADD_ADDR_FORMS[length]
    end = at + 4 + (4 if version == 4 else 16)
    fields: list[Field] = [("address_id", at + 3, "u1")]
    fields += [(name, at + 4, ">u4" if version == 4 else "V16") for name in ("address", "signed_address")]
    if has_port:
        fields.append(("port", end, ">u2"))
        end += 2
    if has_hmac:
        fields.append(("hmac", end, ">u8"))
    yield Item("add_addr", {"echo": flags & 0x01, "ip_version": version}, tuple(fields))


def _remove_addr(at: int, length: int, _flags: int) -> Iterator[Item]:
    for each in range(at + 3, at + length):
        yield Item("remove_addr", {}, (("address_id", each, "u1"),))


def _mp_prio(at: int, length: int, flags: int) -> Iterator[Item]:
    if length in (3, 4):
        fields: tuple[Field, ...] = (("address_id", at + 3, "u1"),) if length == 4 else ()
        yield Item("mp_prio", {"backup": flags & 0x01}, fields)


def _mp_fail(at: int, length: int, _flags: int) -> Iterator[Item]:
    if length == 12:
        yield Item("mp_fail", {}, (("dsn", at + 4, ">u8"),))


def _mp_fastclose(at: int, length: int, _flags: int) -> Iterator[Item]:
    if length == 12:
        yield Item("mp_fastclose", {}, (("receiver_key", at + 4, ">u8"),))


def _mp_tcprst(at: int, length: int, flags: int) -> Iterator[Item]:
    if length == 4:
        yield Item("mp_tcprst", {"flags": flags}, (("reason", at + 3, "u1"),))


_FORMS = (
    _mp_capable, _mp_join, _dss, _add_addr, _remove_addr, _mp_prio, _mp_fail, _mp_fastclose, _mp_tcprst,
)  # fmt: skip
_DSS = _FORMS.index(_dss)
