"""What a capture holds besides TCP packets: each frame that is no row is counted under a name that says what it is.

Enters: numbers of protocols and how often they occurred. Leaves: names with counts, apart for what may hide TCP.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from analysis.pcap.link import PPP_TYPE

CUT_HEADERS = "frames whose headers were cut off"
"""Not captured as far as the TCP ports, sequence number and flags: whose snap length is too short."""
NO_FIT = "frames whose headers do not fit"
LATER_FRAGMENTS = "later fragments of TCP packets"
TOO_DEEP = "tunnels in too many others"

_ETHER_TYPES = {
    0x0806: "ARP", 0x8035: "RARP", 0x88CC: "LLDP", 0x8809: "LACP", 0x888E: "EAPOL", 0x8863: "PPPoE discovery",
    0x88F7: "PTP", 0x9000: "loopback tests", 0x8906: "FCoE", 0x22F0: "AVTP", 0x8892: "PROFINET", 0x88A4: "EtherCAT",
    0x0842: "wake-on-LAN", 0x6003: "DECnet", 0x8137: "IPX", 0x809B: "AppleTalk",
}  # fmt: skip
_HIDING_ETHER_TYPES = {
    0x88E5: "MACsec", 0x88E7: "provider backbone bridging", 0x894F: "NSH", 0x22F3: "TRILL", 0x8903: "FabricPath",
    0x8926: "VN-tag", 0x8100: "VLAN tags", 0x88A8: "VLAN tags", 0x9100: "VLAN tags", 0x8847: "MPLS without IP in it",
    0x8848: "MPLS without IP in it", 0x8864: "PPPoE", 0x6558: "bridged Ethernet", 0x880B: "PPP", 0x22EB: "ERSPAN III",
}  # fmt: skip
_PPP_CONTROL_FROM = 0x4000
"""PPP's own protocols (LCP, IPCP and others) have numbers from here on; those below carry data (RFC 1661 section 2)."""
_IP = {
    1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 46: "RSVP", 58: "ICMPv6", 59: "IPv6 without a payload", 88: "EIGRP",
    89: "OSPF", 103: "PIM", 112: "VRRP", 132: "SCTP", 136: "UDP-Lite",
}  # fmt: skip
_HIDING_IP = {
    4: "IPIP", 41: "IPv6 in IP", 47: "GRE", 50: "ESP", 51: "AH", 94: "IPIP", 97: "EtherIP", 98: "encapsulation",
    108: "IPComp", 115: "L2TP", 137: "MPLS in IP",
}  # fmt: skip
_HIDING_UDP = {
    1194: "OpenVPN", 1701: "L2TP", 2152: "GTP-U", 3544: "Teredo", 4500: "IPsec", 4754: "GRE", 4755: "GRE",
    4789: "VXLAN", 4790: "VXLAN-GPE", 6080: "GUE", 6081: "Geneve", 6635: "MPLS", 8472: "VXLAN", 51820: "WireGuard",
}  # fmt: skip
_PORTS_OF_SERVICES = 32768
"""Lower ones name a service; both ports above are chosen for the moment."""
LINK_TYPES = {
    105: "IEEE 802.11", 119: "802.11 with Prism headers", 127: "802.11 with radiotap", 163: "802.11 with AVS headers",
    187: "Bluetooth", 189: "USB", 192: "PPI", 195: "IEEE 802.15.4", 201: "Bluetooth", 220: "USB",
    227: "CAN", 230: "IEEE 802.15.4", 249: "USB", 253: "netlink", 239: "nflog",
}  # fmt: skip


class Tally:
    """Counts frames by name while a window is decoded; `opaque` are those that may hide TCP packets."""

    def __init__(self) -> None:
        self.others: Counter[str] = Counter()
        self.opaque: Counter[str] = Counter()
        self.fragments = 0
        self.cut = 0

    def add(self, name: str, count: int = 1) -> None:
        """So many frames that hide no TCP."""
        if count:
            self.others[name] += count

    def add_cut(self, count: int, *, captured_whole: int = 0) -> None:
        """Frames that end before their headers do: so many in the capture only, so many on the wire already."""
        self.cut += count + captured_whole
        self.add(CUT_HEADERS, count)
        self.add(NO_FIT, captured_whole)

    def add_fragments(self, count: int) -> None:
        """Later fragments of TCP packets."""
        self.fragments += count
        self.add(LATER_FRAGMENTS, count)

    def add_hiding(self, name: str, count: int = 1) -> None:
        """So many frames that may hide TCP."""
        if count:
            self.opaque[name] += count

    def add_ether_types(self, numbers: Iterable[int]) -> None:
        """Frames of network protocols other than IP, by EtherType."""
        for number, count in Counter(numbers).items():
            if number == 0:
                self.add("frames of an unknown network protocol", count)
            elif number <= 1500:
                self.add("LLC (such as spanning tree)", count)
            elif number >= PPP_TYPE + _PPP_CONTROL_FROM:
                self.add("PPP's own protocols", count)
            elif number >= PPP_TYPE:
                self.add_hiding(f"PPP protocol {number - PPP_TYPE:#06x}", count)
            elif number in _HIDING_ETHER_TYPES:
                self.add_hiding(_HIDING_ETHER_TYPES[number], count)
            else:
                self.add(_ETHER_TYPES.get(number, f"EtherType {number:#06x}"), count)

    def add_ip_protocols(self, numbers: Iterable[int], prefix: str = "") -> None:
        """IP packets by the number of their protocol; those with a `prefix` ("later fragments of ") hide nothing."""
        for number, count in Counter(numbers).items():
            if number in _HIDING_IP and not prefix:
                self.add_hiding(f"IP protocol {number} ({_HIDING_IP[number]})", count)
            else:
                name = _IP.get(number) or _HIDING_IP.get(number)
                self.add(prefix + (name or f"IP protocol {number}"), count)

    def add_udp_ports(self, ports: Iterable[int]) -> None:
        """UDP datagrams by the lower of their ports."""
        for port, count in Counter(ports).items():
            if port in _HIDING_UDP:
                self.add_hiding(f"UDP port {port} ({_HIDING_UDP[port]})", count)
            else:
                self.add(f"UDP port {port}" if port < _PORTS_OF_SERVICES else "UDP of other ports", count)


def in_words(counts: Mapping[str, int], most: int) -> str:
    """Counts by name, the largest first: `12 ARP, 3 UDP port 443`; of more than `most` names the rest together."""
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    parts = [f"{count} {name}" for name, count in ordered[:most]]
    if len(ordered) > most:
        parts.append(f"{sum(count for _, count in ordered[most:])} of {len(ordered) - most} more kinds")
    return ", ".join(parts)


def link_type_name(number: int) -> str:
    """A link type in words, such as `link type 127 (802.11 with radiotap)`."""
    return f"link type {number}" + (f" ({LINK_TYPES[number]})" if number in LINK_TYPES else "")
