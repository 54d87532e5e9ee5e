"""Captures that are no point of a run: from another lab, another machine, one place or several.

Enters: pcap files. Leaves: the same tables as of a run, in a point of their own.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from analysis.flows.address_inference import guess_addresses
from analysis.flows.clocks import aligned, gaps, steady
from analysis.flows.connections import Traffic, find_connections
from analysis.flows.duplicates import separate_duplicates
from analysis.flows.limitations import limitations, losses
from analysis.flows.observation import Observation
from analysis.flows.places import place_notes, with_places
from analysis.pcap import Packets, is_plain, merge, read_pcap, tunnel_name
from analysis.pcap.tally import in_words
from analysis.tables import TABLES
from analysis.tables.of_captures import tabulate
from analysis.tables.packets import tabulate_packets
from testbed.base.errors import AnalysisError
from testbed.base.text import plain

_MOST_NAMES = 3
_PACKED = re.compile(r"\.(gz|bz2|xz|zst|lz4)\Z")


@dataclass(frozen=True, eq=False)
class CapturesAnalysis:
    """The tables of some captures, who is who in them, and what a reader of the tables must know beside them.

    `others` counts by name the frames that are no TCP packets, `opaque` those that may hide some. `lost` says what the
    packets show to be missing among them.
    """

    tables: dict[str, pa.Table]
    observed: Observation
    notes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    others: Mapping[str, int] = field(default_factory=dict)
    opaque: Mapping[str, int] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line per part of a file that could not be read, and per direction of which bytes are missing."""
        return self.observed.packets.warnings + self.lost

    def all_tables(self) -> dict[str, pa.Table]:
        """The tables and that of the packets."""
        return {**self.tables, "packets": tabulate_packets(self.observed)}

    def names(self) -> dict[str, list[str]]:
        """Who is who, as text: the addresses of the service, of the servers and of the clients."""
        addresses = self.observed.addresses
        addresses_of = {"service": addresses.services, "unique": addresses.unique.values(), "clients": addresses.client}
        return {
            name: self.observed.address_texts(np.array(list(numbers), np.uint32))
            for name, numbers in addresses_of.items()
        }


def analyse_captures(
    paths: Sequence[Path], *, service: tuple[str, int] | None = None, unique: Sequence[str] = ()
) -> CapturesAnalysis:
    """The tables of these captures taken together; the service and the servers are guessed where they are not given.

    Raises AnalysisError for a file that cannot be read, one without a TCP packet, and addresses that are in none.
    """
    captures = [read_pcap(path) for path in paths]
    packets, notes = gather(captures, paths)
    known = None if service is None else (_number(packets, service[0]), service[1])
    own = [_number(packets, each) for each in unique]
    addresses = guess_addresses(packets, service=known, unique=own)
    there = np.isin(own, packets.src) | np.isin(own, packets.dst)
    notes += [
        f"no packet of the server {text} in the captures" for text, here in zip(unique, there, strict=True) if not here
    ]
    traffic = find_connections(packets, addresses)
    name = _name(paths)
    observed = Observation(
        point=name,
        packets=packets,
        traffic=traffic,
        addresses=addresses,
        start_ns=int(packets.time_ns.min()),
        end_ns=None,
        files=_files(packets, paths),
    )
    tables = tabulate(observed)
    lost = tuple(losses(observed))
    reasons = packets.warnings + lost
    row = {
        "point": name,
        "service_path": "service address",
        "protocol": _protocol(traffic, tables["connections"].column("protocol").to_pylist()),
        "start_ns": observed.start_ns,
        "duration_s": float(packets.time_ns.max() - packets.time_ns.min()) / 1e9,
        "connections": tables["connections"].num_rows,
        "joined": traffic.joined,
        "director_bypass_share": traffic.director_bypass_share,
        "resets": tables["resets"].num_rows,
        "resets_received": int(observed.resets.to_client.sum()),
        "valid": not reasons,
        "invalid_reasons": "; ".join(reasons),
    }
    notes += [*_tunnel_notes(packets), *limitations(observed)]
    others, opaque = Counter[str](), Counter[str]()
    for capture in captures:
        others.update(capture.others)
        opaque.update(capture.opaque)
    return CapturesAnalysis(
        tables={"points": TABLES["points"].of_rows([row]), **tables},
        observed=observed,
        notes=tuple(notes),
        lost=lost,
        others=others,
        opaque=opaque,
    )


def _files(packets: Packets, paths: Sequence[Path]) -> dict[int, Path]:
    """The files of the interfaces whose payload can be read again: no pipes, nothing compressed, no two of one name."""
    named = Counter(plain(path.name) for path in paths)
    plainly = {plain(path.name): path for path in paths if named[plain(path.name)] == 1 and is_plain(path)}
    files = [(number, plainly.get(interface.file)) for number, interface in enumerate(packets.interfaces)]
    return {number: path for number, path in files if path is not None}


def _protocol(traffic: Traffic, protocols: Sequence[str]) -> str:
    """What all connections together are: MPTCP if one is, not known if one may be it whose options were cut."""
    return "mptcp" if traffic.mptcp_connections else "unknown" if "unknown" in protocols else "tcp"


def _name(paths: Sequence[Path]) -> str:
    """A name for all of the captures together, that fits into a line."""
    stems = [plain(Path(_PACKED.sub("", path.name) or path.name).stem) for path in paths]
    return "+".join(stems if len(stems) <= _MOST_NAMES else [*stems[: _MOST_NAMES - 1], f"{len(stems) - 2} more"])


def gather(captures: Sequence[Packets], paths: Sequence[Path]) -> tuple[Packets, list[str]]:
    """The packets of all captures as one, by time and with their places, and what there is to say about that.

    Raises AnalysisError if there is no TCP packet in any.
    """
    notes: list[str] = []
    there = []
    unread: tuple[str, ...] = ()
    for path, capture in zip(paths, captures, strict=True):
        if len(capture):
            in_order, said = steady(capture, plain(path.name))
            there.append(in_order)
            notes += said
        else:
            notes.append(f"{plain(path)}: no TCP packet in it{_instead(capture)}")
            unread += capture.warnings
    if not there:
        raise AnalysisError(notes[0])
    packets = merge(there)
    packets, said = separate_duplicates(replace(packets, warnings=packets.warnings + unread))
    notes += said
    packets, grouped, said = with_places(packets)
    notes += said
    notes += place_notes(packets, grouped)
    files = [interface.file for interface in packets.interfaces]
    packets, said = aligned(packets, [_place_name(files, members[0]) for members in grouped])
    return packets, list(dict.fromkeys([*notes, *said, *gaps(packets, files)]))


def _instead(capture: Packets) -> str:
    """What a capture without a TCP packet holds, and what could not be read of it."""
    held = in_words({**capture.others, **capture.opaque}, _MOST_NAMES)
    reasons = [*([f"it holds {held}"] if held else []), *capture.warnings[:1]]
    return f": {'; '.join(reasons)}" if reasons else ""


def _tunnel_notes(packets: Packets) -> list[str]:
    bits = packets.tunnel[packets.tunnel > 0]
    counts = {f"in {tunnel_name(each)}": int(np.count_nonzero(bits == each)) for each in set(bits.tolist())}
    return [f"of {len(packets)} TCP packets were in tunnels: {in_words(counts, _MOST_NAMES)}"] if counts else []


def _place_name(files: Sequence[str], interface: int) -> str:
    """Where an interface captured: its file, with the interface's number in it where it has several."""
    file = files[interface]
    return file if files.count(file) == 1 else f"{file} interface {interface - files.index(file)}"


def _number(packets: Packets, text: str) -> int:
    """An address as a number of `Packets`; raises AnalysisError for what is none, or is in none of the captures."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise AnalysisError(f"{text!r} is not an IP address") from error
    if isinstance(address, ipaddress.IPv4Address):
        return int(address)
    if address.packed not in packets.ipv6:
        raise AnalysisError(f"the address {address} is in none of the captures")
    return packets.ipv6.index(address.packed)
