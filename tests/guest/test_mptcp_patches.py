"""The three MPTCP patches of kernel-patches/, on each release: off by default, and each does what its sysctl says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from probe_cases import measured

from analysis.pcap import ACK, RST, SYN, Packets, read_pcap
from testbed.kernel.release import Release
from testbed.labs.uml import UmlLab

PROBE = str(Path(__file__).with_name("mptcp_server_probe.py"))
SYSCTLS = ("add_addr_resend_interval", "lb_mode", "enforce_deny_join_id0")
MP_TCPRST_PROHIBITED = bytes([30, 4, 0x80, 3])  # kind, length, subtype 8 with T = 0, reason 3 (RFC 8684 section 3.6)
BLOCKS = 160
BYTES = BLOCKS * 65536  # of a transfer below, 0.9 s through the director

LB: dict[str, Any] = {"topology": "load-balancer", "direction": "download", "blocks": BLOCKS}
UPLOAD = {**LB, "direction": "upload"}
LOST = {"lost": "ADD_ADDR", "lost_s": 0.005}  # the client loses every ADD_ADDR of the first milliseconds
RESEND = "mptcp.add_addr_resend_interval=10 ms"
# Two links of 5 ms. The first ADD_ADDR arrives a round trip (10 ms) after the connection.
PAIR: dict[str, Any] = {
    "topology": "pair", "family": 4, "endpoints": ["10.9.1.2"], "direction": "download", "blocks": 32,
    "add_addr_timeout": 120, "add_addr_resend_interval": 10,
}  # fmt: skip
LOST_BY_PAIR = {"lost": "ADD_ADDR", "lost_s": 0.015}
BACKUP = ["mptcp.lb_mode=backup", "mptcp.initial_backup=false"]
LOSSY = ["topology.client_director.delay=20 ms", "topology.client_director.loss=1 %"]
CLOSE = ["mptcp.lb_mode=close", "mptcp.initial_backup=false"]
JOIN = {**LB, "blocks": 4}
ENFORCE = ["mptcp.enforce_deny_join=true"]

CASES: dict[str, dict[str, Any]] = {
    "off": {**LB, **LOST, "blocks": 240},  # the timer's second must be over before the transfer
    "resend-download": {**LB, **LOST, "overrides": [RESEND]},
    "resend-upload": {**UPLOAD, **LOST, "overrides": [RESEND]},
    "resend-no-loss": {**LB, "overrides": [RESEND, "topology.client_director.delay=20 ms"]},
    "resend-five-times": {
        **LB,
        "lost": "ADD_ADDR",
        "lost_s": 0.45,
        "overrides": ["mptcp.add_addr_resend_interval=100 ms", "mptcp.add_addr_timeout=0 s"],
    },
    "resend-in-vain": {**LB, **LOST, "lost_s": 5, "overrides": ["mptcp.add_addr_resend_interval=1 ms"]},
    "resend-ipv4": {**PAIR, **LOST_BY_PAIR},
    "resend-port": {**PAIR, "endpoints": ["10.9.1.2 port 8080"], "lost": "ADD_ADDR_PORT", "lost_s": 0.015},
    "resend-ipv6": {**PAIR, "family": 6, "endpoints": ["fd00:1::2"], "lost": "ADD_ADDR6", "lost_s": 0.015},
    "resend-no-room": {**PAIR, "family": 6, "endpoints": ["fd00:1::2 port 8080"], "keeps_timestamps": True},
    "resend-idle": {**PAIR, **LOST_BY_PAIR, "idle_s": 3},
    "resend-several": {**PAIR, **LOST_BY_PAIR, "endpoints": ["10.9.1.2", "10.9.1.3", "10.9.1.4"]},
    "backup-download": {**LB, "overrides": BACKUP},
    "backup-lost": {**UPLOAD, "lost": "MP_PRIO", "lost_s": 0.005, "overrides": BACKUP},
    # The join comes in the middle of the transfer, when the initial subflow is full of data.
    "close-download": {**LB, **LOST, "overrides": [*CLOSE, RESEND]},
    "close-upload": {**UPLOAD, **LOST, "overrides": [*CLOSE, RESEND]},
    "close-lossy-download": {**LB, **LOST, "lost_s": 0.145, "overrides": [*CLOSE, RESEND, *LOSSY]},
    "close-lossy-upload": {**UPLOAD, **LOST, "lost_s": 0.145, "overrides": [*CLOSE, RESEND, *LOSSY]},
    "close-alone": {**LB, "overrides": [*CLOSE, "mptcp.subflows=0", "mptcp.add_addr_accepted=0"]},
    "close-join-to-vip": {**JOIN, "remote": "vip", "overrides": [*CLOSE, "mptcp.deny_join=false"]},
    "enforce-vip": {**JOIN, "remote": "vip", "overrides": ENFORCE},
    "enforce-unique": {**JOIN, "remote": "unique", "overrides": ENFORCE},
    "enforce-off": {**JOIN, "remote": "vip"},
}


@dataclass
class Found:
    """What the probe measured, the MPTCP counters of both ends, and where its captures are."""

    values: dict[str, Any]
    client: dict[str, int]
    server: dict[str, int]
    output: Path

    def packets(self, interface: str) -> Packets:
        return read_pcap(self.output / f"{interface}.pcap")


@pytest.fixture(scope="module")
def lab(every_lab: UmlLab) -> UmlLab:
    return every_lab


@pytest.fixture(scope="module")
def found(lab, tmp_path_factory) -> dict[str, Found]:
    """Every case, run one after the other in one guest."""
    output = tmp_path_factory.mktemp("patches")
    results = measured(lab, PROBE, CASES, output)
    return {name: _found(values, output / name) for name, values in results.items()}


def _found(values: dict[str, Any], output: Path) -> Found:
    client, server = (
        {name.removeprefix("MPTcpExt"): count for name, count in node.items()}
        for node in values.pop("counters", {"client": {}, "server": {}}).values()
    )
    return Found(values, client, server, output)


@pytest.mark.parametrize("name", CASES)
def test_the_transfer_is_intact(found, name: str) -> None:
    assert "error" not in found[name].values, found[name].values["error"]
    assert found[name].values["intact"]


def test_the_sysctls_exist_and_are_off(guest) -> None:
    ended = guest("sh", "-c", f"cd /proc/sys/net/mptcp && grep . {' '.join(SYSCTLS)}")
    assert ended.stdout.decode().split() == [f"{name}:0" for name in SYSCTLS]


def test_a_sysctl_refuses_what_it_cannot_mean(guest) -> None:
    tries = {"add_addr_resend_interval": 120001, "lb_mode": 3, "enforce_deny_join_id0": 2}
    code = "".join(f"echo {value} > {name} && echo took {name};" for name, value in tries.items())
    assert guest("sh", "-c", f"cd /proc/sys/net/mptcp; {code} true").stdout == b""


UNPATCHED = """
import os, subprocess
from testbed.base.errors import PrerequisiteError
from testbed.net import mptcp
from testbed.net.mptcp_settings import Mptcp
from testbed.net.netns import Node

subprocess.run(["mount", "-t", "tmpfs", "none", "/proc/sys/net/mptcp"], check=True)
for option in dict(add_addr_resend_interval="10 ms"), dict(lb_mode="close"), dict(enforce_deny_join=True):
    settings = Mptcp(initial_backup=False, **option)
    try:
        mptcp.configure_server(Node("s1", os.getpid()), settings, local="10.0.0.1", unique="10.0.0.2")
    except PrerequisiteError as error:
        print(error)
"""


def test_a_kernel_without_the_sysctl_is_refused_in_one_line(guest) -> None:
    lines = guest.python(UNPATCHED).stdout.decode().splitlines()
    for line, name in zip(lines, SYSCTLS, strict=True):
        assert re.fullmatch(
            rf"this kernel \([\w.+-]+\) is unpatched: it has no sysctl net\.mptcp\.{name}, asked for on s1 "
            r"\('testbed kernel build' makes a kernel with the patches of kernel-patches/\)",
            line,
        )


def test_without_the_patch_a_lost_add_addr_costs_the_timer(found, release: Release) -> None:
    """The timer's second, or from Linux 6.18 on the RTO, whose least is 200 ms."""
    timer_s = {"6.12": 1.0, "7.3": 0.2}[release.name]
    assert timer_s < found["off"].values["join_s"] < timer_s + 0.2
    assert "AddAddrResend" not in found["off"].server


@pytest.mark.parametrize("name", ["resend-download", "resend-upload"])
def test_a_lost_add_addr_is_repeated_on_traffic(found, name: str) -> None:
    one = found[name]
    assert 0.01 <= one.values["join_s"] < 0.05
    assert (one.server["AddAddrResend"], one.server["AddAddrTx"]) == (1, 2)
    assert (one.client["AddAddr"], one.server["EchoAdd"]) == (1, 1)


def test_nothing_is_repeated_before_the_echo_can_be_back(found) -> None:
    """The interval is 10 ms, the round trip 40."""
    assert found["resend-no-loss"].server["AddAddrTx"] == 1
    assert "AddAddrResend" not in found["resend-no-loss"].server


def test_a_connection_repeats_once_per_interval(found) -> None:
    """The losses end after 450 ms, the interval is 100 ms: the fifth repetition arrives."""
    assert 0.5 <= found["resend-five-times"].values["join_s"] < 0.6
    assert found["resend-five-times"].server["AddAddrResend"] == 5


def test_a_peer_that_never_hears_is_not_flooded(found) -> None:
    """In 0.9 s: eight after 1 ms or 1.25 round trips, seven in intervals that double, then one every 128 ms or more."""
    one = found["resend-in-vain"]
    assert "AddAddr" not in one.client
    assert 10 <= one.server["AddAddrResend"] <= 22


@pytest.mark.parametrize("name", ["resend-ipv4", "resend-port", "resend-ipv6"])
def test_every_form_of_an_address_is_repeated(found, name: str) -> None:
    one = found[name]
    assert one.server["AddAddrResend"] == 1
    assert one.server["AddAddrTx"] == 2
    assert one.values["join_s"] < 0.15


def test_an_address_that_no_packet_has_room_for_is_not_repeated(found) -> None:
    """IPv6 with a port: 32 bytes, and timestamps 12, which 7.3 would leave out if it were not told to keep them."""
    one = found["resend-no-room"]
    assert one.server["AddAddrTxDrop"] == 1
    assert not {"AddAddrTx", "AddAddrResend"} & one.server.keys()


def test_an_idle_connection_is_left_to_a_timer_that_starts_from_the_rto(found) -> None:
    one = found["resend-idle"]
    assert 0.2 < one.values["join_s"] < 0.3
    assert one.server["AddAddrTx"] == 2
    assert "AddAddrResend" not in one.server


def test_several_addresses_all_get_their_echo(found) -> None:
    assert found["resend-several"].server["EchoAdd"] == 3


def test_a_backup_by_lb_mode_needs_no_endpoint(found) -> None:
    one = found["backup-download"]
    assert (one.server["LbModeBackup"], one.server["MPPrioTx"], one.client["MPPrioRx"]) == (1, 1, 1)
    assert one.packets("d-eth0").payload_bytes.sum() < 0.05 * BYTES
    assert "MPPrioResend" not in one.server


def test_a_lost_mp_prio_is_repeated_while_data_comes_by_the_backup(found) -> None:
    one = found["backup-lost"]
    assert one.server["MPPrioResend"] >= 1
    assert one.client["MPPrioRx"] >= 1
    assert one.packets("d-eth0").payload_bytes.sum() < 0.05 * BYTES


@pytest.mark.parametrize(
    ("name", "in_flight_s"),
    [
        ("close-download", 0.01),
        ("close-upload", 0.01),
        ("close-lossy-download", 0.08),
        ("close-lossy-upload", 0.08),
    ],
)
def test_close_takes_every_packet_past_the_director_after_the_join(found, name: str, in_flight_s: float) -> None:
    """The reset leaves at once; what is in flight still crosses and is answered by resets; then there is silence."""
    one = found[name]
    assert (one.server["LbModeBackup"], one.server["LbModeClose"]) == (1, 1)
    direct = one.packets("s1-eth1")
    joined_ns = _third_ack_ns(direct)
    assert direct.time_ns[-1] - joined_ns > 0.08e9  # the rest of the transfer
    assert direct.payload_bytes.sum() > 0.95 * BYTES
    for interface in ("d-eth0", "d-eth1"):
        director = one.packets(interface)
        before = director.time_ns < joined_ns
        assert director.payload_bytes[before].sum() > 10_000
        assert director.payload_bytes[~before].sum() < 250_000
        assert director.time_ns[-1] - joined_ns < in_flight_s * 1e9
        assert director.flags[-1] & RST
    resets_ns = director.time_ns[director.flags & RST != 0]  # on the server's side of the director
    assert 0 <= resets_ns[0] - joined_ns < 0.001e9


def _third_ack_ns(packets: Packets) -> int:
    """When the join's third ACK arrived."""
    syn = np.flatnonzero((packets.flags & (SYN | ACK)) == SYN)[0]
    from_client = (packets.src == packets.src[syn]) & (packets.sport == packets.sport[syn])
    third = np.flatnonzero(from_client & (packets.flags & (SYN | ACK) == ACK))[0]
    return int(packets.time_ns[third])


def test_close_keeps_the_only_subflow(found) -> None:
    assert found["close-alone"].values["join_s"] is None
    assert "LbModeClose" not in found["close-alone"].server


def test_close_does_not_take_a_join_to_the_director_for_a_way_past_it(found) -> None:
    assert found["close-join-to-vip"].server["MPJoinAckRx"] == 1
    assert "LbModeClose" not in found["close-join-to-vip"].server


def test_a_join_that_ignores_the_flag_is_refused(found) -> None:
    one = found["enforce-vip"]
    assert one.server["MPJoinDenyId0"] == 1
    assert "MPJoinAckRx" not in one.server
    packets = one.packets("d-eth0")
    (reset,) = np.flatnonzero(packets.flags & RST)
    start = int(packets.option_offset[reset])
    options = (one.output / "d-eth0.pcap").read_bytes()[start : start + int(packets.option_bytes[reset])]
    assert options == MP_TCPRST_PROHIBITED


def test_without_enforcement_that_join_succeeds(found) -> None:
    assert found["enforce-off"].server["MPJoinAckRx"] == 1
    assert "MPJoinDenyId0" not in found["enforce-off"].server


def test_a_join_to_the_announced_address_is_not_refused(found) -> None:
    assert found["enforce-unique"].server["MPJoinAckRx"] == 1
    assert "MPJoinDenyId0" not in found["enforce-unique"].server
