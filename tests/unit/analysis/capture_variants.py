"""The captures of the repository in other clothes: other formats, other link layers, IPv6 in place of IPv4."""

from __future__ import annotations

import gzip
import ipaddress
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# The guest test sets the variable, to have those captures looked at that it has just made.
CAPTURES = Path(os.environ.get("DECODER_CAPTURES") or Path(__file__).with_name("data") / "captures")
NAMES = sorted(path.name.removesuffix(".pcap.gz") for path in CAPTURES.glob("*.pcap.gz"))

_ETHERNET_BYTES = 14
_IPV4, _TCP = 0x0800, 6
_PREFIX = bytes.fromhex("20010db8 00000000 00000000".replace(" ", ""))


def raw(name: str) -> bytes:
    """The bytes of a capture of the repository (classic pcap, little-endian)."""
    return gzip.decompress((CAPTURES / f"{name}.pcap.gz").read_bytes())


def converted(source: Path, format_name: str, target: Path) -> None:
    """Write the capture in another format, by editcap's name for it."""
    if shutil.which("editcap") is None:
        pytest.fail("no editcap: install the packages of tests/debian-packages.txt ('make unit' does)")
    subprocess.run(["editcap", "-F", format_name, str(source), str(target)], check=True, timeout=60)


def records(capture: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Time stamp (8 bytes), length on the wire and captured bytes of each record."""
    at = 24
    while at < len(capture):
        captured, original = struct.unpack_from("<II", capture, at + 8)
        yield capture[at : at + 8], original, capture[at + 16 : at + 16 + captured]
        at += 16 + captured


def rewritten(capture: bytes, link_type: int, rewrite: Callable[[bytes], bytes]) -> bytes:
    """The capture with every frame rewritten, for another link type."""
    pieces = [capture[:20] + struct.pack("<I", link_type)]
    for time, original, frame in records(capture):
        new = rewrite(frame)
        pieces += [time, struct.pack("<II", len(new), original + len(new) - len(frame)), new]
    return b"".join(pieces)


# Ethernet frames with another link layer (www.tcpdump.org/linktypes.html).


def as_sll(frame: bytes) -> bytes:
    """Linux cooked, version 1."""
    return struct.pack(">HHH8s", 0, 1, 6, frame[6:12]) + frame[12:]


def as_sll2(frame: bytes) -> bytes:
    """Linux cooked, version 2."""
    return frame[12:14] + struct.pack(">HIHBB8s", 0, 2, 1, 0, 6, frame[6:12]) + frame[14:]


def as_raw_ip(frame: bytes) -> bytes:
    """IP without a link layer (other protocols keep bytes that are none of IP's)."""
    return frame[_ETHERNET_BYTES:]


def as_ipv6(frame: bytes) -> bytes:
    """TCP over IPv4 becomes TCP over IPv6, between addresses that end in the IPv4 ones."""
    ip = frame[_ETHERNET_BYTES:]
    if frame[12:14] != _IPV4.to_bytes(2, "big") or ip[9] != _TCP:
        return frame
    header_bytes = (ip[0] & 0x0F) * 4
    (length,) = struct.unpack_from(">H", ip, 2)
    start = 6 << 28 | ip[1] << 20
    header = struct.pack(">IHBB", start, length - header_bytes, _TCP, ip[8])
    addresses = _PREFIX + ip[12:16] + _PREFIX + ip[16:20]
    return frame[:12] + b"\x86\xdd" + header + addresses + ip[header_bytes:]


def ipv6_of(address: str) -> str:
    """What `as_ipv6` makes of an IPv4 address."""
    return str(ipaddress.IPv6Address(_PREFIX + ipaddress.IPv4Address(address).packed))
