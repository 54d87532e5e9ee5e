"""What a director's IPVS has counted, and how many connections its table holds.

Source: the kernel's files ip_vs_stats_percpu and ip_vs_conn in /proc/net (net/netfilter/ipvs:
ip_vs_stats_percpu_show in ip_vs_ctl.c, ip_vs_conn_seq_show in ip_vs_conn.c). The sums in ip_vs_stats, and those that
netlink tells of a service, are as old as the estimator's last round, up to two seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from testbed.net.netns import Node


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


def connections(director: Node) -> int:
    """The entries of a node's table of connections, in whatever state."""
    return len(director.read("ip_vs_conn").splitlines()) - 1  # but for the headings
