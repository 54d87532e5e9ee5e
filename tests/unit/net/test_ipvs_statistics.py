"""What IPVS has counted, from the kernel's files as a director had them."""

from __future__ import annotations

import ipaddress

import pytest

from testbed.base.families import family_of
from testbed.net import ipvs, ipvs_statistics
from testbed.net.ipvs_statistics import Totals
from testbed.net.netns import Node

PERCPU = """\
       Total Incoming Outgoing         Incoming         Outgoing
CPU    Conns  Packets  Packets            Bytes            Bytes
  0        1        5        5              15E              1EE
  A        1        1        0               3C                0
  ~        0        0        0                0                0

     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
           0        0        0                0                0
"""
CONNECTIONS = """\
Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 0A000102 2710 0A000150 0050 0A000B02 0050 TIME_WAIT       119
"""


class Recorded(Node):
    """A node whose files in /proc/net are these."""

    def read(self, path: str) -> str:
        return {"ip_vs_stats_percpu": PERCPU, "ip_vs_conn": CONNECTIONS}[path]


@pytest.fixture
def director() -> Node:
    return Recorded("d", 1)


def test_the_sum_is_that_of_the_cpus_and_not_the_one_that_the_estimator_made_some_time_ago(director: Node) -> None:
    assert ipvs_statistics.totals(director) == Totals(packets_in=6, packets_out=5, bytes_in=410, bytes_out=494)


def test_every_line_below_the_headings_is_a_connection(director: Node) -> None:
    assert ipvs_statistics.connections(director) == 1


@pytest.mark.parametrize("address", ["10.0.11.2", "fd00:11::2"])
def test_a_servers_address_is_read_in_the_family_of_the_service(address: str) -> None:
    field = ipaddress.ip_address(address).packed.ljust(16, b"\0")
    assert ipvs.address_in(field, family_of(address)) == address
