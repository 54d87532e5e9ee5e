"""A small MPTCP download of either version, as packets by hand: what other tests cut, move, and add to."""

from __future__ import annotations

import hashlib
import ipaddress
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import packet_maker as make

from analysis.summary.of_captures import CapturesAnalysis, analyse_captures

S, MS = 10**9, 10**6
T = 1_700_000_000 * S
CLIENT_KEY, SERVER_KEY = struct.pack(">Q", 1), struct.pack(">Q", 0x2222)
PORT, ISN, ANSWER = 4000, 100, 900

Frames = list[tuple[int, bytes]]


def token(key: bytes, version: int = 1) -> int:
    digest = hashlib.sha256(key) if version else hashlib.sha1(key, usedforsecurity=False)
    return int.from_bytes(digest.digest()[:4], "big")


def download(version: int = 1, start: int = T, packets: int = 40, port: int = PORT) -> Frames:
    """A connection to the VIP that brings `packets` kB, a kB each 2 ms."""
    first = CLIENT_KEY if version == 0 else b""
    frames = [
        (start, make.to_server(port, 80, make.SYN, seq=ISN, options=make.mp_capable(first, version=version))),
        (start + 10 * MS, make.to_client(80, port, make.SYN | make.ACK, seq=ANSWER, ack=ISN + 1,
                                         options=make.mp_capable(SERVER_KEY, version=version))),
        (start + 20 * MS, make.to_server(port, 80, make.ACK, seq=ISN + 1, ack=ANSWER + 1,
                                         options=make.mp_capable(CLIENT_KEY + SERVER_KEY, version=version))),
    ]  # fmt: skip
    for number in range(packets):
        seq, t = ANSWER + 1 + number * 1000, start + 30 * MS + number * 2 * MS
        frames.append((t, make.to_client(80, port, make.ACK, seq=seq, ack=ISN + 1, payload=1000)))
        frames.append((t + MS, make.to_server(port, 80, make.ACK, seq=ISN + 1, ack=seq + 1000)))
    return frames


def renumbered(frames: Frames, *, client: int = 0, server: int = 0) -> Frames:
    """The same where the client's and the server's sequence numbers are so much greater: another connection's."""
    address = ipaddress.IPv4Address(make.CLIENT).packed

    def moved(frame: bytes) -> bytes:
        is_clients = frame[26:30] == address
        seq, ack, offset_and_flags = struct.unpack_from(">IIH", frame, 38)
        seq += client if is_clients else server
        ack += (server if is_clients else client) if offset_and_flags & make.ACK else 0
        return frame[:38] + struct.pack(">II", seq & 0xFFFFFFFF, ack & 0xFFFFFFFF) + frame[46:]

    return [(t, moved(frame)) for t, frame in frames]


END = download()[-1][0]
LAST_SEQ = ANSWER + 1 + 40 * 1000


def join_by_client(version: int = 1, at: int = T + 200 * MS, key: bytes = SERVER_KEY) -> Frames:
    syn = make.to_server(4001, 80, make.SYN, dst=make.UNIQUE, seq=500, options=make.mp_join_syn(token(key, version)))
    answer = make.to_client(80, 4001, make.SYN | make.ACK, src=make.UNIQUE, seq=700, ack=501,
                            options=make.mp_join_syn_ack())  # fmt: skip
    return [(at, syn), (at + 10 * MS, answer)]


def join_by_server(
    version: int = 1, at: int = T + 200 * MS, key: bytes = CLIENT_KEY, *, src: str = make.UNIQUE, dst: str = make.CLIENT
) -> Frames:
    syn = make.packet(src, dst, 5000, PORT, make.SYN, seq=500, options=make.mp_join_syn(token(key, version)))
    answer = make.packet(dst, src, PORT, 5000, make.SYN | make.ACK, seq=700, ack=501, options=make.mp_join_syn_ack())
    return [(at, syn), (at + 10 * MS, answer)]


def analysed(folder: Path, *files: Frames, **more: Any) -> CapturesAnalysis:
    """The captures of these frames, each a file, in the order given."""
    paths = [make.write_pcap(folder / f"f{number}.pcap", frames, snap=2000) for number, frames in enumerate(files)]
    return analyse_captures(paths, **more)


def rows(found: CapturesAnalysis, table: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = found.tables[table].to_pylist()
    return listed


def some(row: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def causes(found: CapturesAnalysis) -> Sequence[tuple[str, str]]:
    return [(row["direction"], row["cause"]) for row in rows(found, "resets")]
