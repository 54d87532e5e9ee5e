"""Small observations of a client, an anycast address and servers, from packets made by hand."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import packet_maker as make

from analysis.flows.addresses import Addresses
from analysis.flows.connections import find_connections
from analysis.flows.counter_series import CounterSeries
from analysis.flows.observation import Observation
from analysis.flows.servers import ServerEvidence
from analysis.pcap import Packets, merge, read_pcap
from analysis.tables.of_captures import tabulate
from testbed.record.events import Event

S = 10**9
MS = 10**6
T = 1_700_000_000 * S
UNIQUE = {"s1": "10.0.11.2", "s2": "10.0.12.2", "s3": "10.0.13.2"}
OUT_AT_1 = (
    Event(t=1.0, event="server-removed", server="s1"),
    Event(t=3.0, event="server-added", server="s1"),
)

Frames = list[tuple[int, bytes]]


def number(address: str) -> int:
    return int(ipaddress.IPv4Address(address))


def observe(
    tmp_path: Path,
    frames: Frames,
    *,
    servers: Sequence[str] = ("s1", "s2", "s3"),
    events: Sequence[Event] = (),
    end_s: float | None = 10.0,
    at_servers: Mapping[str, Frames] | None = None,
    sent_resets: Mapping[str, CounterSeries] | None = None,
    directors: int = 1,
) -> Observation:
    """The client's capture of these frames; times in the frames are on the lab's clock, which starts at `T`."""
    packets = merge([read_pcap(make.write_pcap(tmp_path / "c.pcap", sorted(frames)))])
    addresses = Addresses(
        client=(number(make.CLIENT), number(make.CLIENT_DIRECT)),
        service=number(make.VIP),
        service_port=80,
        unique={name: number(UNIQUE[name]) for name in servers},
    )
    captures = {
        name: read_pcap(make.write_pcap(tmp_path / f"{name}.pcap", sorted(found)))
        for name, found in (at_servers or {}).items()
    }
    known = ServerEvidence(T, events, captures, sent_resets or {}, director_count=directors)
    end_ns = None if end_s is None else T + round(end_s * S)
    return Observation("p", packets, find_connections(packets, addresses), addresses, T, end_ns, known)


def with_elsewhere(observed: Observation, elsewhere: Packets) -> Observation:
    """The same observation with packets that were captured elsewhere."""
    return replace(observed, elsewhere=elsewhere)


def rows(observed: Observation, table: str) -> list[dict[str, Any]]:
    """A table of the observation as rows."""
    found: list[dict[str, Any]] = tabulate(observed)[table].to_pylist()
    return found


def tcp(port: int, at_s: float = 0.0, *, isn: int = 1000, request: int = 100) -> Frames:
    """A connection to the service with its request: the client expects 5001 and the server 1001 + request."""
    t = T + round(at_s * S)
    return [
        (t, make.to_server(port, 80, make.SYN, seq=isn, options=make.MSS)),
        (t + MS, make.to_client(80, port, make.SYN | make.ACK, seq=5000, ack=isn + 1, options=make.MSS)),
        (t + 2 * MS, make.to_server(port, 80, make.ACK, seq=isn + 1, ack=5001)),
        (t + 3 * MS, make.to_server(port, 80, make.ACK | make.PSH, seq=isn + 1, ack=5001, payload=request)),
    ]


def body(port: int, at_s: float, seq: int, size: int, *, acked: bool = True) -> Frames:
    """Payload for the client, and its acknowledgement a millisecond later."""
    t = T + round(at_s * S)
    data = (t, make.to_client(80, port, make.ACK, seq=seq, ack=1101, payload=size))
    return [data, (t + MS, make.to_server(port, 80, make.ACK, seq=1101, ack=seq + size))] if acked else [data]


def stray_reset(port: int, at_s: float, seq: int) -> tuple[int, bytes]:
    """What a server without the socket answers: no ACK, the sequence number that the client acknowledged."""
    return T + round(at_s * S), make.to_client(80, port, make.RST, seq=seq)
