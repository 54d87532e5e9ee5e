"""IP addresses as 32-bit numbers, so that one column holds both families.

An IPv4 address is its own number. IPv6 addresses are numbered in the order in which they are met; these numbers lie
in 0.0.0.0/8, which no host has, so a number means one address even where the IP version is not looked at.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.pcap.columns import I64, U8, U32

UNSPECIFIED = bytes(16)


class Ipv6Numbering:
    """Gives each IPv6 address a number, from 0 (`::`); a number once given stays."""

    def __init__(self) -> None:
        self._addresses = [UNSPECIFIED]
        self._sorted = np.array([UNSPECIFIED], "S16")
        self._number = np.zeros(1, np.uint32)

    @property
    def addresses(self) -> tuple[bytes, ...]:
        """The addresses by number, 16 bytes each."""
        return tuple(self._addresses)

    def numbers(self, packed: NDArray[np.void]) -> U32:
        """The numbers of addresses of 16 bytes (dtype V16); new ones are added."""
        # NumPy orders byte strings, but not raw bytes. It drops zero bytes at their ends, which keeps them apart.
        wanted = np.ascontiguousarray(packed).view("S16")
        at = self._find(wanted)
        unknown = self._sorted[at] != wanted
        if unknown.any():
            self._add(wanted[unknown])
            at = self._find(wanted)
        return self._number[at]

    def _find(self, wanted: NDArray[np.bytes_]) -> I64:
        return np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)

    def _add(self, unknown: NDArray[np.bytes_]) -> None:
        new, first = np.unique(unknown, return_index=True)
        self._addresses += [bytes(address).ljust(16, b"\0") for address in new[np.argsort(first)]]
        everything = np.array(self._addresses, "S16")
        self._number = np.argsort(everything).astype(np.uint32)
        self._sorted = everything[self._number]


def text(number: int, version: int, ipv6: Sequence[bytes]) -> str:
    """An address in the usual notation; `ipv6` are the IPv6 addresses by number."""
    return str(ipaddress.IPv6Address(ipv6[number]) if version == 6 else ipaddress.IPv4Address(number))


def packed(number: int, version: int, ipv6: Sequence[bytes]) -> bytes:
    """An address as 4 or 16 bytes."""
    return ipv6[number] if version == 6 else number.to_bytes(4, "big")


def texts(numbers: U32, versions: U8, ipv6: Sequence[bytes]) -> list[str]:
    """Many addresses in the usual notation."""
    both = numbers.astype(np.int64) << 8 | versions
    distinct, inverse = np.unique(both, return_inverse=True)
    named = [text(each >> 8, each & 0xFF, ipv6) for each in distinct.tolist()]
    return [named[each] for each in inverse.tolist()]
