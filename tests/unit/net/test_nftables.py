"""What makes a table of nftables, and what is expected to read back."""

from __future__ import annotations

import pytest

from testbed.net.nftables import Map, Table, flow_hash, seed_in

TABLE = Table(
    "ip",
    "balancer",
    counters=("passed",),
    maps={"servers": Map("ipv4_addr", {1: "10.0.12.2", 0: "10.0.11.2"}), "none": Map("ipv4_addr", {})},
    chains={"prerouting": ("type filter hook prerouting priority raw; policy accept;", flow_hash(2, 255, "ipv4"))},
)


def test_the_listing_that_is_expected_is_nfts_own() -> None:
    assert TABLE.blocks() == [
        "counter passed { }",
        "map servers { type mark : ipv4_addr elements = { 0x00000000 : 10.0.11.2, 0x00000001 : 10.0.12.2 } }",
        "map none { type mark : ipv4_addr }",
        "chain prerouting { type filter hook prerouting priority raw; policy accept; "
        "meta mark set jhash ip saddr . tcp sport mod 2 seed 0xff }",
    ]


def test_a_table_is_replaced_in_one_step_and_its_counters_stay() -> None:
    lines = TABLE.script().splitlines()
    flushed = lines.index("flush table ip balancer")
    assert lines.index("add counter ip balancer passed") < flushed
    assert lines[flushed + 1 :] == [
        "add map ip balancer servers { type mark : ipv4_addr; }",
        "flush map ip balancer servers",
        "add element ip balancer servers { 1 : 10.0.12.2, 0 : 10.0.11.2 }",
        "add map ip balancer none { type mark : ipv4_addr; }",
        "flush map ip balancer none",
        "add rule ip balancer prerouting meta mark set jhash ip saddr . tcp sport mod 2 seed 0xff",
    ]


def test_over_ipv6_the_hash_is_over_its_addresses() -> None:
    assert flow_hash(2, 255, "ipv6") == "meta mark set jhash ip6 saddr . tcp sport mod 2 seed 0xff"


def test_the_seed_of_a_listed_hash_is_found() -> None:
    assert seed_in(TABLE.blocks()) == 255
    with pytest.raises(LookupError):
        seed_in(["counter passed { }"])


def test_keys_of_a_map_are_marks_or_ports() -> None:
    assert Map("verdict", {10: "jump a", 2: "jump b"}).listed() == "0x00000002 : jump b, 0x0000000a : jump a"
    assert Map("ipv4_addr", {20001: "10.0.11.2"}, key="inet_service").listed() == "20001 : 10.0.11.2"
