"""TCP options of handshake packets: MP_CAPABLE and MP_JOIN (RFC 8684 and, for version 0, RFC 6824; sections 3.1, 3.2).

Enters: the raw option bytes of one SYN or SYN+ACK. Leaves: what MPTCP says in them. Only handshakes are
decoded here; there are few of them, so the walk is plain Python.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

_END_OF_OPTIONS = 0
_NO_OPERATION = 1
_MPTCP = 30
_MP_CAPABLE = 0
_MP_JOIN = 1

DENY_JOIN_TO_INITIAL_ADDRESS = 0x20
"""Bit C of MP_CAPABLE's flags: no subflow may be opened to the address and port of the initial subflow."""


@dataclass(frozen=True, slots=True)
class MpCapable:
    """MP_CAPABLE: MPTCP version, the flag byte (A to H), and the sender's 64-bit key where it is carried.

    In version 1 the SYN carries no key and the SYN+ACK carries the server's; in version 0 the SYN has the client's.
    """

    version: int
    flags: int
    sender_key: bytes | None


@dataclass(frozen=True, slots=True)
class MpJoin:
    """MP_JOIN of a SYN (`token` of the receiver) or of a SYN+ACK (`token` is None: it carries an HMAC)."""

    backup: bool
    address_id: int
    token: int | None


@dataclass(frozen=True, slots=True)
class HandshakeOptions:
    """The MPTCP options of one SYN or SYN+ACK; both None for plain TCP."""

    mp_capable: MpCapable | None = None
    mp_join: MpJoin | None = None


def parse_handshake_options(raw: bytes) -> HandshakeOptions:
    """The MPTCP options among raw TCP option bytes; stops without an error at the first malformed option.

    A receiver ignores options that it cannot parse (RFC 9293 section 3.1), and so does this walk.
    """
    capable: MpCapable | None = None
    join: MpJoin | None = None
    at = 0
    while at < len(raw):
        kind = raw[at]
        if kind == _END_OF_OPTIONS:
            break
        if kind == _NO_OPERATION:
            at += 1
            continue
        length = raw[at + 1] if at + 1 < len(raw) else 0
        if length < 2 or at + length > len(raw):
            break
        if kind == _MPTCP and length >= 4:
            body = raw[at : at + length]
            subtype = body[2] >> 4
            if subtype == _MP_CAPABLE:
                capable = MpCapable(body[2] & 0x0F, body[3], body[4:12] if length >= 12 else None)
            elif subtype == _MP_JOIN and length in (12, 16):
                token = int.from_bytes(body[4:8], "big") if length == 12 else None
                join = MpJoin(bool(body[2] & 0x01), body[3], token)
        at += length
    return HandshakeOptions(capable, join)


KNOWN_VERSIONS = (0, 1)
"""Versions of MPTCP whose tokens are known: RFC 6824 and RFC 8684."""


def token_of_key(key: bytes, version: int = 1) -> int:
    """The token by which an MP_JOIN names a connection: first 32 bits of the key's SHA-256 (RFC 8684 section 3.2).

    Version 0 has SHA-1 (RFC 6824 section 3.2). -1 for a version that is not known.
    """
    if version not in KNOWN_VERSIONS:
        return -1
    digest = hashlib.sha256(key) if version else hashlib.sha1(key, usedforsecurity=False)
    return int.from_bytes(digest.digest()[:4], "big")


def tokens_of_keys(keys: Sequence[int], versions: Sequence[int]) -> list[int]:
    """The token of each key, a number of 64 bits, in its connection's version."""
    return [token_of_key(key.to_bytes(8, "big"), version) for key, version in zip(keys, versions, strict=True)]
