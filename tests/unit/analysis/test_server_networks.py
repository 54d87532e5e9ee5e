"""A server with a network of unique addresses: whoever sends to one of them, or from it, has to do with that server."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import frame_encoder as encode
import packet_maker as make
import pytest

from analysis.flows.addresses import ipv6_of, networks_of, of_point
from analysis.pcap import read_pcap, with_first_ipv6
from testbed.base.errors import AnalysisError
from testbed.record import model
from testbed.record.addresses import AddressPlan

PLAN = {
    "client": ["fd00:1::2"],
    "service": {"address": "fd00:1::80", "port": 80},
    "servers": {
        "s1": {"unique": "fd00:3::101", "network": "fd00:201::/64"},
        "s2": {"unique": "fd00:3::102", "network": "fd00:202::/64"},
        "s3": {"unique": "fd00:3::103"},
    },
}
SENDERS = ("fd00:201::dead", "fd00:202::beef", "fd00:201::1:2", "fd00:3::101", "fd00:203::1", "fd00:3::103")


def test_an_address_of_a_servers_network_is_taken_for_its_unique_one(tmp_path: Path) -> None:
    plan = model.parse(AddressPlan, PLAN, "addresses.json")
    client = ipaddress.ip_address("fd00:1::2")
    frames = [encode.Packet(ipaddress.ip_address(each), client, sport=80).frame(1) for each in SENDERS]
    captured = read_pcap(make.write_pcap(tmp_path / "a.pcap", list(enumerate(frames))))
    packets, unique = with_first_ipv6(captured, ipv6_of(plan), networks_of(plan)), of_point(plan).unique
    whose = [next((name for name, number in unique.items() if number == src), None) for src in packets.src.tolist()]
    assert whose == ["s1", "s2", "s1", "s1", None, "s3"]
    assert packets.dst.tolist() == [of_point(plan).client[0]] * len(SENDERS)


@pytest.mark.parametrize("network", ["fd00:201::/56", "10.0.3.0/24", "fd00:201::1/64", "mine"])
def test_what_is_no_network_of_64_bits_is_refused(network: str) -> None:
    plan = {**PLAN, "servers": {"s1": {"unique": "fd00:3::101", "network": network}}}
    with pytest.raises(AnalysisError, match="not a network of IPv6 with a prefix of 64 bits"):
        model.parse(AddressPlan, plan, "addresses.json")
