"""What is recorded at a point's director, for the tests to break one thing in: captures, counters, entries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import packet_maker as make
import run_maker as runs

Frames = Sequence[tuple[int, bytes]]

_ARP_BYTES = 28
_ETHERNET_BYTES = 14


def record_director(
    directory: Path, frames: Frames, *, balancer_misses: int = 0, queue_dropped: int = 0, resets: int = 0
) -> Path:
    """The director `d` captured these frames, and two packets of ARP each way; IPVS counted all but so many bytes.

    It also counted so many packets to the client, of 1500 bytes, as its queue dropped. It has sent so many RSTs itself.
    """
    make.write_pcap(directory / "d-eth0.pcap", [*frames])
    capture = {"node": "d", "interface": "d-eth0", "file": "d-eth0.pcap", "captured": len(frames), "dropped": 0}
    runs.write_json(directory / "director_captures.json", [capture])
    sizes: dict[bool, list[int]] = {True: [], False: []}
    for _, frame in frames:
        sizes[_is_to_server(frame)].append(len(frame) - _ETHERNET_BYTES)
    balancer, interface = {}, {}
    for to_server, way, name in ((True, "rx", "to_servers"), (False, "tx", "to_clients")):
        total, count = sum(sizes[to_server]), len(sizes[to_server])
        more = 0 if to_server else queue_dropped
        balancer[name] = {"bytes": total - balancer_misses + 1500 * more, "packets": count + more}
        interface[f"{way}_bytes"] = total + _ETHERNET_BYTES * (count + 2) + 2 * _ARP_BYTES
        interface[f"{way}_packets"] = count + 2
    nothing = {"bytes": 0, "packets": 0}
    before = {
        "interfaces": {"d-eth0": dict.fromkeys(interface, 0), "d-eth1": dict.fromkeys(interface, 0)},
        "balancer": {"to_servers": nothing, "to_clients": nothing},
        "dropped": {"d-eth0": 1},
        "entries": 1,
    }
    # What it has sent on to the server is none of what passed its link to the client.
    after = {
        "interfaces": {"d-eth0": interface, "d-eth1": interface},
        "balancer": balancer,
        "dropped": {"d-eth0": 1 + queue_dropped},
        "resets": resets,
        "entries": 3,
    }
    runs.write_json(
        directory / "director.json",
        {
            "neighbours": {"d": {"d-eth0": "c", "d-eth1": "s1"}},
            "before": {"d": before},
            "after": {"d": after},
            "after_s": [1.25, 1.25],
        },
    )
    lines = [{"t": t_s, "entries": {"d": entries}} for t_s, entries in ((0.1, 2), (0.2, 5), (0.25, 3))]
    (directory / "director_samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return directory


def captured(directory: Path, name: str) -> list[tuple[int, bytes]]:
    """The packets in one of our own captures, as they were put in, but for the payload that was cut off."""
    content = (directory / f"{name}.pcap").read_bytes()[24:]
    found = []
    while content:
        seconds, nanoseconds, kept, size = (int.from_bytes(content[i : i + 4], "little") for i in (0, 4, 8, 12))
        found.append((seconds * 10**9 + nanoseconds, content[16 : 16 + kept] + bytes(size - kept)))
        content = content[16 + kept :]
    return found


def _is_to_server(frame: bytes) -> bool:
    ports = frame[34:38]
    return int.from_bytes(ports[:2], "big") > int.from_bytes(ports[2:], "big")
