"""Captures to columns: `read_pcap` and `iter_packets` give `Packets`, one row per TCP packet, without a loop over them.

Classic pcap and pcapng, Ethernet (with VLAN tags), Linux cooked and raw IP, IPv4 and IPv6, TCP, every option of MPTCP
(RFC 8684). A record of a segmentation-offload burst is one row. A file goes through in windows:

    classic, pcapng   a window of the file   -> `Frames`
    link, network     frames                 -> where the TCP headers are, and who talks to whom
    options, layout   the option spaces      -> tables of options
    segment           all of that            -> `Packets`
"""

from analysis.pcap.frames import Interface
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
)
from analysis.pcap.reader import CHUNK_BYTES, iter_packets, read_pcap
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
    "concatenate",
    "iter_packets",
    "merge",
    "read_pcap",
]
