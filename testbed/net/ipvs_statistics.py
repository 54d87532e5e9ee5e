"""What a director's IPVS has counted, and how many connections its table holds.

Source: the kernel's files ip_vs_stats_percpu and ip_vs_conn in /proc/net (net/netfilter/ipvs:
ip_vs_stats_percpu_show in ip_vs_ctl.c, ip_vs_conn_seq_show in ip_vs_conn.c). The sums in ip_vs_stats, and those that
netlink tells of a service, are as old as the estimator's last round, up to two seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from testbed.base.families import family_of
from testbed.net import ipvs_messages as messages
from testbed.net import netlink
from testbed.net.ipvs import Service, address_in
from testbed.net.netns import Node, generic_socket


@dataclass(frozen=True)
class Totals:
    """Packets and bytes (from IP's header on) of all services: `in`, from clients to servers, and `out`, back."""

    packets_in: int
    packets_out: int
    bytes_in: int
    bytes_out: int


def totals(director: Node) -> Totals:
    """All that IPVS has counted at a node; `out` stays at zero where the answers go past it."""
    # Two lines of headings, then one a CPU, in hexadecimal: its number, connections, packets and bytes.
    rows = [line.split() for line in director.read("ip_vs_stats_percpu").splitlines()[2:]]
    of_cpus = [[int(each, 16) for each in row[2:6]] for row in rows if row and row[0].isalnum() and len(row) == 6]
    return Totals(*(sum(column) for column in zip(*of_cpus, strict=True)))


@dataclass(frozen=True)
class OfServer:
    """What IPVS has counted of one real server since it is one, the connections that it was given among it."""

    connections: int
    totals: Totals


def of_servers(director: Node, service: Service) -> dict[str, OfServer]:
    """What IPVS has counted of each real server that the service has, by address; up to two seconds old."""
    with generic_socket(director) as socket:
        wanted = messages.message(messages.GET_DEST, service.key)
        answers = socket.ask(wanted, socket.family(messages.FAMILY).id, netlink.DUMP)
    found = {}
    for answer in answers:
        server = answer.get_attr("IPVS_CMD_ATTR_DEST")
        counted = server.get_attr("IPVS_DEST_ATTR_STATS64")
        names = ("CONNS", "INPKTS", "OUTPKTS", "INBYTES", "OUTBYTES")
        connections, *numbers = (int(counted.get_attr(f"IPVS_STATS_ATTR_{name}")) for name in names)
        address = address_in(server.get_attr("IPVS_DEST_ATTR_ADDR"), family_of(service.address))
        found[address] = OfServer(connections, Totals(*numbers))
    return found


def connections(director: Node) -> int:
    """The entries of a node's table of connections, in whatever state."""
    return len(director.read("ip_vs_conn").splitlines()) - 1  # but for the headings
