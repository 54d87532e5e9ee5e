"""Changes to the raw directory of a sound point, each of which is something that goes wrong in a lab."""

from __future__ import annotations

import json
from pathlib import Path

import packet_maker as make
import run_maker as runs

from analysis.pcap import read_pcap


def tamper(directory: Path, name: str, **changes: object) -> None:
    runs.change_json(directory / name, **changes)


def drop_packets(directory: Path) -> None:
    captures = json.loads((directory / "captures.json").read_text())
    captures[1]["dropped"] = 7
    runs.write_json(directory / "captures.json", captures)


def list_captures(directory: Path, number: int, *, again: bool = False, **changes: object) -> None:
    """Change what the list of captures says of one of them, or of it once more."""
    captures = json.loads((directory / "captures.json").read_text())
    changed = captures[number] | changes
    captures[number : number + (not again)] = [changed]
    runs.write_json(directory / "captures.json", captures)


def lose_packets(directory: Path) -> None:
    captures = json.loads((directory / "captures.json").read_text())
    captures[0]["captured"] += 5
    runs.write_json(directory / "captures.json", captures)


def cut_capture(directory: Path) -> None:
    path = directory / "c-eth1.pcap"
    path.write_bytes(path.read_bytes()[:-3])


def append_packet(directory: Path, frame: bytes, interface: str = "c-eth0") -> None:
    path = directory / f"{interface}.pcap"
    path.write_bytes(path.read_bytes() + make.pcap_bytes([(runs.START_NS + 90 * runs.MS, frame)])[24:])
    count_captured(directory)


def count_captured(directory: Path, listed: str = "captures.json") -> None:
    """Have the list of captures say how many packets there are in each."""
    captures = json.loads((directory / listed).read_text())
    for each in captures:
        each["captured"] = read_pcap(directory / each["file"]).records
    runs.write_json(directory / listed, captures)


def without_join(directory: Path) -> None:
    first = runs.START_NS + 10 * runs.MS
    kept = [
        *make.join(first + 5 * runs.MS, 50001, runs.KEY_A),
        *(make.data(runs.START_NS + 70 * runs.MS + i, 50001, 18_000, past=True) for i in range(50)),
    ]
    make.write_pcap(directory / "c-eth1.pcap", kept)
    runs.write_json(
        directory / "captures.json",
        [{"interface": f"c-eth{i}", "file": f"c-eth{i}.pcap", "captured": 0, "dropped": 0} for i in (0, 1)],
    )
    for _ in range(20):
        append_packet(directory, make.to_client(80, 40002, make.ACK, payload=45_000))


def without_payload(directory: Path) -> None:
    frame = make.to_server(40009, 80, make.SYN, options=make.mp_capable())
    make.write_pcap(directory / "c-eth0.pcap", [(runs.START_NS + 90 * runs.MS, frame)])
    make.write_pcap(directory / "c-eth1.pcap", [])
    runs.write_json(
        directory / "captures.json",
        [{"interface": f"c-eth{i}", "file": f"c-eth{i}.pcap", "captured": 1 - i, "dropped": 0} for i in (0, 1)],
    )


def fall_back(directory: Path) -> None:
    append_packet(directory, make.to_server(40009, 80, make.SYN, options=make.mp_capable()))
    append_packet(directory, make.to_client(80, 40009, make.SYN | make.ACK, options=make.MSS))
