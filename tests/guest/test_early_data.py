"""Patch 0010: what arrives on a join ahead of the first DATA_ACK is dropped without it, and waits its turn with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from probe_cases import measured

from testbed.labs.uml import UmlLab

PROBE = str(Path(__file__).with_name("early_data_probe.py"))
ON = {"net.mptcp.initial_rcv_wnd": 1}
CASES: dict[str, dict[str, Any]] = {
    "off": {"sender": "server", "sysctls": {}},
    "on": {"sender": "server", "sysctls": ON},
    "upload-off": {"sender": "client", "sysctls": {}},
    "upload-on": {"sender": "client", "sysctls": ON},
}
# The segment on the slow link arrives 10 ms of delay and 43 ms of its own length after it was sent, behind an ADD_ADDR.
FIRST_S = {"off": 0.0588, "on": 0.0588, "upload-off": 0.0546, "upload-on": 0.0546}


@pytest.fixture(scope="module")
def lab(every_lab: UmlLab) -> UmlLab:
    return every_lab


@pytest.fixture(scope="module")
def found(lab: UmlLab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Every case, run one after the other in one guest."""
    return measured(lab, PROBE, CASES, tmp_path_factory.mktemp("early-data"), limit_s=300)


def counted(one: dict[str, Any], node: str, name: str) -> int:
    return int(one["counters"][node].get(f"MPTcpExt{name}", 0))


@pytest.mark.parametrize("name", CASES)
def test_the_data_are_intact_and_the_slow_links_part_comes_when_it_can(found, name: str) -> None:
    assert "error" not in found[name], found[name]["error"]
    assert found[name]["intact"]
    assert found[name]["first_s"] == pytest.approx(FIRST_S[name], abs=0.0002)
    assert counted(found[name], "server", "MPJoinAckRx") == 1


def test_without_the_patch_the_first_packet_on_the_join_is_dropped_and_repaired_late(found) -> None:
    """TCP has acknowledged it: the connection's own timer sends it again, 200 ms of RTO and more later."""
    off = found["off"]
    assert counted(off, "client", "NoDSSInWindow") == 1
    assert counted(off, "client", "OFOQueue") == 9  # the others, after the DATA_ACK that answered the first
    assert counted(off, "server", "MPTCPRetrans") == 1
    assert 0.3 < off["last_s"] - off["first_s"] < 0.4


def test_with_it_nothing_is_dropped_and_all_is_there_with_the_slow_links_part(found) -> None:
    on = found["on"]
    assert counted(on, "client", "NoDSSInWindow") == 0
    assert counted(on, "client", "OFOQueue") == 10
    assert counted(on, "server", "MPTCPRetrans") == 0
    assert on["last_s"] - on["first_s"] < 0.0001


@pytest.mark.parametrize("name", ["upload-off", "upload-on"])
def test_a_server_has_told_its_window_with_the_fourth_ack_of_the_join(found, name: str) -> None:
    assert counted(found[name], "server", "NoDSSInWindow") == 0
    assert counted(found[name], "server", "OFOQueue") == 10
    assert found[name]["last_s"] - found[name]["first_s"] < 0.0001
