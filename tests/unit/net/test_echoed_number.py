"""The rules of a balancer that reads its server's number in a client's echo."""

from __future__ import annotations

import socket
import sys

import pytest

from testbed.net import echoed_number
from testbed.net.netns import here

SERVERS = {1: "10.0.11.2", 2: "10.0.12.2"}


@pytest.fixture(autouse=True)
def links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echoed_number, "links_to", lambda _, servers: dict.fromkeys(servers, '"d-eth1"'))


def test_a_number_leads_to_its_server_as_it_lies_in_the_packet() -> None:
    found = echoed_number.leading(here(), "10.0.1.80", 80, SERVERS, 3)
    marks = [socket.htonl(number) for number in SERVERS]
    assert found.maps["number_servers"].elements == dict(zip(marks, SERVERS.values(), strict=True))
    (rule,) = found.first
    assert "tcp option timestamp tsecr != 0 meta mark set tcp option timestamp tsecr & 7 meta mark {" in rule
    if sys.byteorder == "little":
        assert "{ 0x01000000, 0x02000000 }" in rule


def test_one_server_needs_no_set_and_a_fixed_place_no_option() -> None:
    (rule,) = echoed_number.leading(here(), "fd00:1::80", 80, {1: "fd00:11::2"}, 4, "fixed").first
    assert rule.startswith("ip6 daddr fd00:1::80 tcp dport 80 @th,160,32 0x101080a meta mark set @th,224,32 & 0xf ")
    assert "{" not in rule and "tcp option" not in rule
