"""SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash of few bytes, which nobody foretells without the key."""

from __future__ import annotations

import struct

KEY_BYTES, HASH_BYTES = 16, 8

_MASK = (1 << 64) - 1
_BLOCK = 8


def siphash(key: bytes, message: bytes) -> bytes:
    """The hash of a message under a key of `KEY_BYTES`, `HASH_BYTES` of it; raises ValueError for another key."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
    k0, k1 = struct.unpack("<QQ", key)
    v = [0x736F6D6570736575 ^ k0, 0x646F72616E646F6D ^ k1, 0x6C7967656E657261 ^ k0, 0x7465646279746573 ^ k1]
    whole = len(message) - len(message) % _BLOCK
    blocks = [int.from_bytes(message[at : at + _BLOCK], "little") for at in range(0, whole, _BLOCK)]
    blocks.append((len(message) & 0xFF) << 56 | int.from_bytes(message[whole:], "little"))
    for block in blocks:
        v[3] ^= block
        _rounds(v, 2)
        v[0] ^= block
    v[2] ^= 0xFF
    _rounds(v, 4)
    whole_hash: int = v[0] ^ v[1] ^ v[2] ^ v[3]
    return whole_hash.to_bytes(HASH_BYTES, "little")


def _rounds(v: list[int], number: int) -> None:
    a, b, c, d = v
    for _ in range(number):
        a = (a + b) & _MASK
        c = (c + d) & _MASK
        b, d = _rotated(b, 13) ^ a, _rotated(d, 16) ^ c
        a = _rotated(a, 32)
        c = (c + b) & _MASK
        a = (a + d) & _MASK
        b, d = _rotated(b, 17) ^ c, _rotated(d, 21) ^ a
        c = _rotated(c, 32)
    v[:] = a, b, c, d


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & _MASK
