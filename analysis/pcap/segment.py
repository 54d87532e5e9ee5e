"""From the frames of one window to `Packets`: TCP headers and what the other layers say of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.pcap.addresses import Ipv6Numbering
from analysis.pcap.columns import I64
from analysis.pcap.fragments import fragments_of
from analysis.pcap.frames import Frames, Interface, Window, gather
from analysis.pcap.layout import OPTION_SPACE
from analysis.pcap.link import LINK_TYPES, Payloads, network_payloads
from analysis.pcap.network import TCP_BYTES, Skipped, segments
from analysis.pcap.options import OptionDecoder
from analysis.pcap.packets import COLUMNS, Packets
from analysis.pcap.tables import OPTION_TABLES, Option
from analysis.pcap.tally import NO_FIT, Tally, link_type_name

_HEADER = np.dtype(
    [
        ("sport", ">u2"), ("dport", ">u2"), ("seq", ">u4"), ("ack", ">u4"), ("offset_flags", ">u2"),
        ("window", ">u2"), ("checksum", ">u2"), ("urgent", ">u2"), ("options", f"V{OPTION_SPACE}"),
    ]
)  # fmt: skip


class PacketDecoder:
    """Decodes the windows of one capture; IPv6 addresses keep their numbers from one to the next."""

    def __init__(self) -> None:
        self._numbering = Ipv6Numbering()
        self._options = OptionDecoder(self._numbering)
        self._records = 0

    def decode(self, window: Window, frames: Frames, interfaces: list[Interface]) -> Packets:
        """The TCP packets among the frames of a window."""
        data = window.data
        link_types = np.array([interface.link_type for interface in interfaces], np.int64)
        payloads = network_payloads(data, frames, link_types)
        tally = _count_without_network(frames, payloads, link_types)
        found, later = segments(data, frames=frames, payloads=payloads, numbering=self._numbering, tally=tally)
        header = gather(data, found.at, _HEADER)
        _forget_what_was_cut(header, found.captured)
        offset_flags = header["offset_flags"].astype(np.uint16)
        header_bytes = (offset_flags >> 12).astype(np.int64) * 4
        declared = np.clip(np.minimum(header_bytes, found.tcp_bytes) - TCP_BYTES, 0, OPTION_SPACE)
        captured = np.maximum(np.minimum(declared, found.captured - TCP_BYTES), 0)
        spaces = np.ascontiguousarray(header["options"]).view(np.uint8).reshape(-1, OPTION_SPACE)
        from_options, tables = self._options.decode(spaces, captured, declared)
        everything: dict[str, Any] = {name: kind.empty() for name, kind in OPTION_TABLES.items()} | tables
        impossible = (header_bytes < TCP_BYTES) | (header_bytes > found.tcp_bytes)
        from_options["options"][impossible] |= Option.MALFORMED
        rows = found.frame if len(found) < len(frames) else slice(None)
        header_end = np.maximum(header_bytes, TCP_BYTES)
        payload_bytes = np.maximum(found.tcp_bytes - header_end, 0)
        columns: dict[str, Any] = {
            "frame": (found.frame + (self._records + 1)).astype(np.uint32),
            "time_ns": frames.time_ns[rows],
            "interface": frames.interface[rows],
            **{name: getattr(found, name).astype(COLUMNS[name].dtype, copy=False) for name in _FROM_SEGMENT},
            **{name: header[name].astype(COLUMNS[name].dtype) for name in _FROM_HEADER},
            "flags": offset_flags & 0x0FFF,
            "header_bytes": header_bytes.astype(np.uint8),
            "payload_bytes": payload_bytes.astype(np.int32),
            "captured_bytes": np.clip(found.captured - header_end, 0, payload_bytes).astype(np.int32),
            **from_options,
            "record_offset": frames.record_at[rows] + window.offset,
            "option_offset": found.at + (window.offset + np.minimum(found.captured, TCP_BYTES)),
            "option_bytes": captured.astype(np.uint8),
        }
        fragments = fragments_of(found, later, frames, self._records)
        self._records += len(frames)
        return Packets(
            **columns,
            **everything,
            interfaces=tuple(interfaces),
            ipv6=self._numbering.addresses,
            records=len(frames),
            skipped=Skipped(len(frames) - len(found) - tally.fragments - tally.cut, tally.fragments, tally.cut),
            others=dict(tally.others),
            opaque=dict(tally.opaque),
            fragments=fragments,
        )


def _count_without_network(frames: Frames, payloads: Payloads, link_types: I64) -> Tally:
    """A tally of the frames that have no network layer: of link types that are not decoded, or too short."""
    tally = Tally()
    if len(payloads) == len(frames):
        return tally
    left = np.ones(len(frames), np.bool_)
    left[payloads.frame] = False
    for number in set(link_types.tolist()):
        of_type = left & (link_types[frames.interface] == number)
        if number not in LINK_TYPES:
            tally.add_hiding(link_type_name(number), int(np.count_nonzero(of_type)))
        else:
            snapped = int(np.count_nonzero(of_type & (frames.captured < frames.original)))
            tally.add_cut(snapped)
            tally.add(NO_FIT, int(np.count_nonzero(of_type)) - snapped)
    return tally


def _forget_what_was_cut(header: NDArray[np.void], captured: I64) -> None:
    """Zeros for the last fields of those headers of which less than 20 bytes were captured."""
    if captured.min(initial=TCP_BYTES) < TCP_BYTES:
        short = np.flatnonzero(captured < TCP_BYTES)
        for name in ("window", "checksum", "urgent"):
            _, offset = _HEADER.fields[name][:2]  # type: ignore[index]
            header[name][short[captured[short] < offset + 2]] = 0


_FROM_HEADER = ("sport", "dport", "seq", "ack", "window", "checksum", "urgent")
_FROM_SEGMENT = (
    "vlan", "tunnel", "device", "packet_type", "ip_version", "tos", "ttl", "ip_id", "src", "dst", "ip_bytes",
)  # fmt: skip
