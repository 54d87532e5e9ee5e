"""Captures that are no point of a run: from another lab, another machine, one place or several.

Enters: pcap files. Leaves: the same tables as of a run, in a point of their own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from analysis.clocks import aligned, gaps, steady
from analysis.connections import sort_out
from analysis.errors import AnalysisError
from analysis.observation import Observation
from analysis.packet_table import tabulate_packets
from analysis.pcap import Packets, merge, read_pcap
from analysis.places import said_of_places, with_places
from analysis.remarks import remarks
from analysis.roles import guess_addresses
from analysis.tables import TABLES
from analysis.tabulation import tabulate

_MOST_NAMES = 3


@dataclass(frozen=True, eq=False)
class ForeignCaptures:
    """The tables of some captures, who is who in them, and what a reader of the tables must know beside them."""

    tables: dict[str, pa.Table]
    observed: Observation
    notes: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line per part of a file that could not be read."""
        return self.observed.packets.warnings

    def all_tables(self) -> dict[str, pa.Table]:
        """The tables and that of the packets."""
        return {**self.tables, "packets": tabulate_packets(self.observed)}

    def names(self) -> dict[str, list[str]]:
        """Who is who, as text: the addresses of each role."""
        addresses = self.observed.addresses
        roles = {"service": addresses.services, "unique": addresses.unique.values(), "clients": addresses.client}
        return {
            role: self.observed.address_texts(np.array(list(numbers), np.uint32)) for role, numbers in roles.items()
        }


def analyse_captures(
    paths: Sequence[Path], *, service: tuple[str, int] | None = None, unique: Sequence[str] = ()
) -> ForeignCaptures:
    """The tables of these captures taken together; roles are guessed where they are not given.

    Raises AnalysisError for a file that cannot be read, one without a TCP packet, and addresses that are in none.
    """
    packets, notes = gather([read_pcap(path) for path in paths], paths)
    known = None if service is None else (_number(packets, service[0]), service[1])
    addresses = guess_addresses(packets, service=known, unique=[_number(packets, each) for each in unique])
    traffic = sort_out(packets, addresses)
    name = _name(paths)
    observed = Observation(name, packets, traffic, addresses, int(packets.time_ns.min()), None)
    tables = tabulate(observed)
    row = {
        "point": name,
        "scenario": "capture",
        "protocol": "mptcp" if traffic.mptcp_connections else "tcp",
        "start_ns": observed.start_ns,
        "duration_s": float(packets.time_ns.max() - packets.time_ns.min()) / 1e9,
        "connections": tables["connections"].num_rows,
        "joined": traffic.joined,
        "director_bypass_share": traffic.director_bypass_share,
        "resets": tables["resets"].num_rows,
        "resets_received": int(observed.resets.to_client.sum()),
        "valid": not packets.warnings,
        "invalid_reasons": "; ".join(packets.warnings),
    }
    return ForeignCaptures(
        {"points": TABLES["points"].of_rows([row]), **tables}, observed, (*notes, *remarks(observed))
    )


def _name(paths: Sequence[Path]) -> str:
    """A name for all of the captures together, that fits into a line."""
    stems = [path.stem for path in paths]
    return "+".join(stems if len(stems) <= _MOST_NAMES else [*stems[: _MOST_NAMES - 1], f"{len(stems) - 2} more"])


def gather(captures: Sequence[Packets], paths: Sequence[Path]) -> tuple[Packets, list[str]]:
    """The packets of all captures as one, by time and with their places, and what there is to say about that.

    Raises AnalysisError if there is no TCP packet in any.
    """
    notes: list[str] = []
    there = []
    for path, capture in zip(paths, captures, strict=True):
        if len(capture):
            in_order, said = steady(capture, path.name)
            there.append(in_order)
            notes += said
        else:
            reason = f": {capture.warnings[0]}" if capture.warnings else ""
            notes.append(f"{path}: no TCP packet in it{reason}")
    if not there:
        raise AnalysisError(notes[0])
    packets, grouped = with_places(merge(there))
    notes += said_of_places(packets, grouped)
    files = [interface.file for interface in packets.interfaces]
    packets, said = aligned(packets, [_place_name(files, members[0]) for members in grouped])
    return packets, [*notes, *said, *gaps(packets, files)]


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
