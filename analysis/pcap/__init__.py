"""Captures to columns: `read_pcap` and `iter_packets` give `Packets`, one row per TCP packet, without a loop over them.

Classic pcap and pcapng, compressed or not, Ethernet (with VLAN tags), Linux cooked, NULL, PPP and raw IP, tunnels, IPv4
and IPv6, TCP, every option of MPTCP (RFC 8684). A record of a segmentation-offload burst is one row. What is no TCP
packet is counted by name. A file goes through in windows:

    compression       a compressed file      -> what is in it
    classic, pcapng   a window of the file   -> `Frames`
    link, network     frames                 -> where the TCP headers are, and who talks to whom
    tunnels           other IP packets       -> frames in them, for `network` again
    tally             frames without TCP     -> their names
    fragments         IP fragments           -> what they add to their TCP segment
    options, layout   the option spaces      -> tables of options
    segment           all of that            -> `Packets`
"""

from analysis.pcap.frames import Interface
from analysis.pcap.link import Tunnel, tunnel_name
from analysis.pcap.network import Skipped
from analysis.pcap.packets import (
    ACK,
    AE,
    COLUMNS,
    CWR,
    ECE,
    FIN,
    PSH,
    RST,
    SYN,
    URG,
    Packets,
    concatenate,
    merge,
    with_first_ipv6,
)
from analysis.pcap.reader import CHUNK_BYTES, is_plain, iter_packets, read_pcap, read_stored_pcap
from analysis.pcap.tables import OPTION_TABLES, Option

__all__ = [
    "ACK",
    "AE",
    "CHUNK_BYTES",
    "COLUMNS",
    "CWR",
    "ECE",
    "FIN",
    "OPTION_TABLES",
    "PSH",
    "RST",
    "SYN",
    "URG",
    "Interface",
    "Option",
    "Packets",
    "Skipped",
    "Tunnel",
    "concatenate",
    "is_plain",
    "iter_packets",
    "merge",
    "read_pcap",
    "read_stored_pcap",
    "tunnel_name",
    "with_first_ipv6",
]
