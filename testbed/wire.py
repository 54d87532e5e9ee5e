"""What an Ethernet link can carry at most: the wire limits that a measured goodput is compared with.

A full frame costs 1538 byte times: 1500 of IP, 14 of Ethernet header, and the 24 that a veth pair
does not have (preamble 8, FCS 4, gap 12). Rates are in bit/s, limits are goodput: payload bits per
second of a bulk transfer in full segments, from server to client where nothing else is said.
"""

from __future__ import annotations

from collections.abc import Mapping

from testbed.base.families import Family

MTU_BYTES = 1500
ETHERNET_HEADER_BYTES = 14
ETHERNET_OVERHEAD_BYTES = 24
FRAME_BYTES = MTU_BYTES + ETHERNET_HEADER_BYTES
WIRE_BYTES = FRAME_BYTES + ETHERNET_OVERHEAD_BYTES

_IP_HEADER_BYTES: Mapping[Family, int] = {"ipv4": 20, "ipv6": 40}
_TCP_HEADER_BYTES = 20
_TIMESTAMPS_BYTES = 12

# RFC 8684 section 3.3: 4 of header, 8 of DATA_ACK, 8 of data sequence number, 4 of subflow sequence number,
# 2 of length = 26, and 2 of padding; no checksum. Linux (net/mptcp/options.c, mptcp_established_options_dss)
# always maps with 64 bits, and acknowledges with 64 once the peer has sent it any data (net/mptcp/subflow.c,
# get_mapping_status sets use_64bit_ack). A server of downloads has got a request, so its DSS has the full size;
# a sender that has received no data yet, such as a client that uploads, acknowledges with 32 bits.
DSS_BYTES = 28
UPLOAD_DSS_BYTES = 24


def largest_segment_bytes(family: Family = "ipv4") -> int:
    """The MSS of Ethernet, what is left of a full frame beside IP's and TCP's headers: 1460 bytes, over IPv6 1440."""
    return MTU_BYTES - _IP_HEADER_BYTES[family] - _TCP_HEADER_BYTES


def tcp_payload_bytes(family: Family = "ipv4") -> int:
    """What a full frame of TCP with timestamps carries: 1448 bytes, over IPv6 1428."""
    return largest_segment_bytes(family) - _TIMESTAMPS_BYTES


def mptcp_payload_bytes(family: Family = "ipv4", *, upload: bool = False) -> int:
    """What a full frame of MPTCP with timestamps carries: 1420 bytes, 1424 of an upload; over IPv6 20 fewer."""
    return tcp_payload_bytes(family) - (UPLOAD_DSS_BYTES if upload else DSS_BYTES)


def tcp_wire_limit_bps(rate_bps: float, family: Family = "ipv4") -> float:
    """Goodput limit of TCP with timestamps on a link of `rate_bps`: 941.5 Mbit/s of 1 Gbit/s, over IPv6 928.5."""
    return rate_bps * tcp_payload_bytes(family) / WIRE_BYTES


def mptcp_wire_limit_bps(rate_bps: float, family: Family = "ipv4", *, upload: bool = False) -> float:
    """Goodput limit of MPTCP version 1 with timestamps on a link of `rate_bps`: 923.3 Mbit/s of 1 Gbit/s.

    Of a client's upload 925.9 Mbit/s; over IPv6 910.3 and 912.9.
    """
    return rate_bps * mptcp_payload_bytes(family, upload=upload) / WIRE_BYTES


def compensated_rate_bps(rate_bps: int) -> int:
    """Rate to give a shaper that counts 1514 bytes for a frame which takes 1538 on a wire of `rate_bps`.

    Exact for full frames only, and rounded down, so that the limit can never be exceeded. It counts
    small packets (pure ACKs) as cheaper than they are.
    """
    return rate_bps * FRAME_BYTES // WIRE_BYTES
