"""From the frames of one window to `Packets`: TCP headers and what the other layers say of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.pcap.addresses import Ipv6Numbering
from analysis.pcap.frames import Frames, Interface, Window, gather
from analysis.pcap.layout import OPTION_SPACE
from analysis.pcap.link import network_payloads
from analysis.pcap.network import TCP_BYTES, segments
from analysis.pcap.options import OptionDecoder
from analysis.pcap.packets import COLUMNS, Packets
from analysis.pcap.tables import OPTION_TABLES, Option

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
        found, skipped = segments(data, frames, payloads, self._numbering)
        header = gather(data, found.at, _HEADER)
        offset_flags = header["offset_flags"].astype(np.uint16)
        header_bytes = (offset_flags >> 12).astype(np.int64) * 4
        declared = np.clip(np.minimum(header_bytes, found.tcp_bytes) - TCP_BYTES, 0, OPTION_SPACE)
        captured = np.minimum(declared, found.captured - TCP_BYTES)
        spaces = np.ascontiguousarray(header["options"]).view(np.uint8).reshape(-1, OPTION_SPACE)
        from_options, tables = self._options.decode(spaces, captured, declared)
        everything: dict[str, Any] = {name: kind.empty() for name, kind in OPTION_TABLES.items()} | tables
        impossible = (header_bytes < TCP_BYTES) | (header_bytes > found.tcp_bytes)
        from_options["options"][impossible] |= Option.MALFORMED
        rows = found.frame if len(found) < len(frames) else slice(None)
        columns: dict[str, Any] = {
            "frame": (found.frame + (self._records + 1)).astype(np.uint32),
            "time_ns": frames.time_ns[rows],
            "interface": frames.interface[rows],
            **{name: getattr(found, name).astype(COLUMNS[name].dtype) for name in _FROM_SEGMENT},
            **{name: header[name].astype(COLUMNS[name].dtype) for name in _FROM_HEADER},
            "flags": offset_flags & 0x0FFF,
            "header_bytes": header_bytes.astype(np.uint8),
            "payload_bytes": np.maximum(found.tcp_bytes - np.maximum(header_bytes, TCP_BYTES), 0).astype(np.int32),
            **from_options,
            "record_offset": frames.record_at[rows] + window.offset,
            "option_offset": found.at + (window.offset + TCP_BYTES),
            "option_bytes": captured.astype(np.uint8),
        }
        self._records += len(frames)
        return Packets(
            **columns,
            **everything,
            interfaces=tuple(interfaces),
            ipv6=self._numbering.addresses,
            records=len(frames),
            skipped=skipped,
        )


_FROM_HEADER = ("sport", "dport", "seq", "ack", "window", "checksum", "urgent")
_FROM_SEGMENT = ("vlan", "ip_version", "tos", "ttl", "ip_id", "src", "dst", "ip_bytes")
