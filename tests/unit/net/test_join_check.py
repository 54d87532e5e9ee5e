"""Addresses by a keyed hash: the values of the hash's own authors."""

from __future__ import annotations

import pytest

from testbed.net.siphash import siphash

KEY = bytes(range(16))


# The vectors of the hash's authors, of the messages of so many bytes 00, 01, 02, ...
@pytest.mark.parametrize(
    ("length", "expected"),
    [(0, "310e0edd47db6f72"), (4, "b7877127e09427cf"), (8, "6224939a79f5f593"), (15, "e545be4961ca29a1")],
)
def test_the_hash_is_its_authors(length: int, expected: str) -> None:
    assert siphash(KEY, bytes(range(length))).hex() == expected


def test_a_key_has_sixteen_bytes() -> None:
    with pytest.raises(ValueError, match="a key has 16 bytes, not 8"):
        siphash(KEY[:8], b"")
