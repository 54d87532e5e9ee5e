"""Directors whose servers answer past them: where packets go, what is counted of them, that none is too large."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from direct_return_probe import BYTES
from probe_cases import measured

from analysis.pcap import read_pcap
from testbed.labs.uml import UmlLab
from testbed.net.tunnels import OVER_IPV4

PROBE = str(Path(__file__).with_name("direct_return_probe.py"))
NAT, DR, TUN = (f"director.part=ipvs-{each}" for each in ("nat", "dr", "tun"))
ROOM = 'topology.director_server.mtu="1600 B"'
ETHERNET_BYTES = 14

TUNNELS = {f"{kind}, clamped": [TUN, f"director.tunnel={kind}"] for kind in OVER_IPV4}
ROOMY = {f"{kind}, with room": [TUN, f"director.tunnel={kind}", "director.clamp_mss=false", ROOM] for kind in OVER_IPV4}
OVERRIDES = {
    "nat": [NAT],
    "dr": [DR],
    **TUNNELS,
    **ROOMY,
    "gue, another port": [TUN, "director.tunnel=gue", "director.tunnel_port=7000"],
    "dr, back through the director": [DR, 'topology.answers="director"'],
    "gre, back through the director": [TUN, "director.tunnel=gre", 'topology.answers="director"'],
    "dr, one interface": [DR, 'topology.client_link={rate="1 Gbit/s"}'],
}
CASES: dict[str, dict[str, Any]] = {name: {"overrides": each} for name, each in OVERRIDES.items()}
CASES["ipip, neither"] = {"overrides": [TUN], "unchecked": {"clamp_mss": False}}

PAST = ["dr", *TUNNELS, *ROOMY, "gue, another port", "dr, one interface"]
FITTING = [name for name in CASES if name != "ipip, neither"]


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("direct-return")


@pytest.fixture(scope="module")
def found(lab: UmlLab, output: Path) -> dict[str, dict[str, Any]]:
    results = measured(lab, PROBE, CASES, output)
    assert {name: each["error"] for name, each in results.items() if "error" in each} == {}
    return results


def grown(case: dict[str, Any], *keys: str) -> int:
    before, after = case["before"], case["after"]
    for key in keys:
        before, after = before[key], after[key]
    return int(after) - int(before)


def overhead(name: str) -> int:
    """The bytes that each packet to a server has more than its client has sent."""
    kind = OVER_IPV4.get(name.partition(",")[0])
    return kind.overhead_bytes if kind else 0


@pytest.mark.parametrize("name", FITTING)
def test_capture_interface_and_ipvs_agree_on_what_comes_for_the_servers(name: str, found, output: Path) -> None:
    case = found[name]
    packets = read_pcap(output / name / "d-eth0.pcap")
    captured = int(packets.ip_bytes[packets.dport == 80].astype(np.int64).sum())
    size, count = (grown(case, "ipvs", "to_servers", each) for each in ("bytes", "packets"))
    assert BYTES < size < 1.06 * BYTES
    assert size == pytest.approx(captured, rel=0.001)
    received = grown(case, "interfaces", "d-eth0", "rx_bytes")
    assert received == pytest.approx(size + count * ETHERNET_BYTES, rel=0.001)
    sent = grown(case, "interfaces", "d-eth1", "tx_bytes")
    assert sent == pytest.approx(size + count * (ETHERNET_BYTES + overhead(name)), rel=0.001)


@pytest.mark.parametrize("name", PAST)
def test_answers_leave_past_the_director(name: str, found) -> None:
    case = found[name]
    assert case["after"]["ipvs"]["to_clients"]["bytes"] == 0
    assert grown(case, "interfaces", "d-eth1", "rx_bytes") < 500  # who has which address
    assert grown(case, "interfaces", "d-eth0", "tx_bytes") < 500


@pytest.mark.parametrize("name", ["nat", "dr, back through the director", "gre, back through the director"])
def test_answers_that_have_no_other_way_come_back_through_the_director(name: str, found, output: Path) -> None:
    case = found[name]
    packets = read_pcap(output / name / "d-eth0.pcap")
    back = packets.sport == 80
    size, count = int(packets.ip_bytes[back].astype(np.int64).sum()), int(back.sum())
    assert grown(case, "interfaces", "d-eth0", "tx_bytes") == pytest.approx(size + count * ETHERNET_BYTES, rel=0.001)
    assert size > BYTES
    assert grown(case, "ipvs", "to_clients", "bytes") == pytest.approx(size, rel=0.001)


@pytest.mark.parametrize("name", FITTING)
def test_no_packet_is_too_large_for_its_tunnel_and_none_is_cut_up(name: str, found) -> None:
    case = found[name]
    assert grown(case, "director", "IcmpOutDestUnreachs") == 0
    for node in ("director", "server"):
        assert [grown(case, node, f"Ip{each}") for each in ("FragCreates", "ReasmReqds")] == [0, 0], node
    cut = overhead(name) if name in (*TUNNELS, "gue, another port", "gre, back through the director") else 0
    assert case["segment"] == 1448 - cut


def test_a_segment_that_is_too_large_is_counted(found) -> None:
    case = found["ipip, neither"]
    assert grown(case, "director", "IcmpOutDestUnreachs") > 0
    assert case["segment"] == 1448 - overhead("ipip")  # the client has learnt it


def test_the_kernel_has_the_way_to_a_server_that_was_asked_for(found) -> None:
    ways = {name: found[name]["servers"][0] for name in CASES}
    assert (ways["nat"]["forwarding"], ways["dr"]["forwarding"]) == (0, 3)
    for kind, tunnel in OVER_IPV4.items():
        port = 6080 if kind == "gue" else 0
        way = ways[f"{kind}, clamped"]
        assert (way["forwarding"], way["tunnel"], way["tunnel_port"]) == (2, tunnel.ipvs, port)
    assert ways["gue, another port"]["tunnel_port"] == 7000


def test_the_director_alone_says_that_the_service_address_is_its_own(found) -> None:
    replies = [each for each in found["dr, one interface"]["replies"] if each.startswith("10.0.1.80 ")]
    assert len(replies) == 1
