"""Patch 0011, `[mptcp] cwnd_push`: a subflow is given what its congestion window takes, and no transfer stalls."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from probe_cases import measured

from analysis.pcap import read_pcap
from testbed.labs.uml import UmlLab

PROBE = str(Path(__file__).with_name("mptcp_server_probe.py"))
BLOCKS = 16
BYTES = BLOCKS * 65536
SLOW = "topology.client_director.delay=20 ms"
LOSSY = ["topology.client_director.loss=1 %", "topology.direct.loss=1 %"]
ALONE = "mptcp.add_addr=false"
BOTH = "mptcp.initial_backup=false"
VALUES = ("off", "backup", "all")


def case(direction: str, value: str, *more: str) -> dict[str, Any]:
    overrides = [SLOW, f"mptcp.cwnd_push={value}", *more]
    return {"topology": "load-balancer", "direction": direction, "blocks": BLOCKS, "overrides": overrides}


CASES: dict[str, dict[str, Any]] = {
    **{f"{each}-{value}": case(each, value) for each in ("download", "upload") for value in VALUES},
    **{f"both-{value}": case("download", value, BOTH) for value in VALUES},
    **{f"alone-{value}": case("download", value, ALONE) for value in VALUES},
    "lossy-download": case("download", "all", *LOSSY),
    "lossy-upload": case("upload", "all", *LOSSY),
    "lossy-both": case("download", "all", BOTH, *LOSSY),
    "lossy-alone": case("upload", "all", ALONE, *LOSSY),
    "checksum": case("download", "all", "sysctl.net.mptcp.checksum_enabled=1", *LOSSY),
    "small-window": case("download", "all", "sysctl.client.net.ipv4.tcp_rmem=4096 4096 4096"),
}

HEAD = """
import os, subprocess
from testbed.base.errors import PrerequisiteError
from testbed.net import mptcp
from testbed.net.mptcp_settings import Mptcp
from testbed.net.netns import Node

node, settings = Node("h1", os.getpid()), Mptcp(initial_backup=False, cwnd_push="all")
ends = {
    "client": lambda: mptcp.configure_client(node, settings),
    "server": lambda: mptcp.configure_server(node, settings, local="10.0.0.1", unique="10.0.0.2"),
}
"""
READ_BACK = (
    HEAD
    + """
for configure in ends.values():
    found = configure()["sysctl"]
    print({name: found[name] for name in ("net.mptcp.cwnd_push", "net.mptcp.initial_rcv_wnd")})
"""
)
UNPATCHED = (
    HEAD.replace("{", "{{").replace("}", "}}")
    + """
subprocess.run(["mount", "-t", "tmpfs", "none", "/proc/sys/net/mptcp"], check=True)
try:
    ends["{end}"]()
except PrerequisiteError as error:
    print(error)
"""
)


@dataclass
class Found:
    """What the probe measured, and the bytes of payload that crossed the director."""

    values: dict[str, Any]
    past_director: int


@pytest.fixture(scope="module")
def lab(every_lab: UmlLab) -> UmlLab:
    return every_lab


@pytest.fixture(scope="module")
def found(lab: UmlLab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    """Every case, run one after the other in one guest."""
    output = tmp_path_factory.mktemp("cwnd-push")
    results = measured(lab, PROBE, CASES, output)
    return {
        name: Found(values, int(read_pcap(output / name / "d-eth1.pcap").payload_bytes.sum()))
        for name, values in results.items()
    }


@pytest.mark.parametrize("name", CASES)
def test_no_transfer_stalls_or_loses_a_byte(found, name: str) -> None:
    assert "error" not in found[name].values, found[name].values["error"]
    assert found[name].values["intact"]
    assert found[name].values["transfer_s"] < 1.5


def test_off_the_slow_subflow_is_given_the_peers_whole_window(found) -> None:
    """64 KB are two round trips of 40 ms through the director after the first; the page waits for them."""
    assert 60_000 < found["download-off"].past_director < 66_000
    assert found["download-off"].values["transfer_s"] > 0.16


@pytest.mark.parametrize("name", ["download-backup", "download-all", "upload-all"])
def test_a_subflow_is_given_an_initial_congestion_window_and_the_join_takes_the_rest(found, name: str) -> None:
    assert found[name].past_director <= 10 * 1448
    assert found[name].values["transfer_s"] < 0.08  # a round trip through the director, and half another at the end


def test_a_client_gives_its_initial_subflow_all_until_it_hears_that_it_is_a_backup(found) -> None:
    """The request leaves with the third ACK; the server's MP_PRIO comes a round trip later."""
    assert found["upload-backup"].past_director > 60_000


def test_of_two_subflows_in_use_the_slow_one_is_given_less(found) -> None:
    assert found["both-all"].past_director < found["both-off"].past_director
    assert found["both-all"].values["transfer_s"] < found["both-off"].values["transfer_s"] / 2


@pytest.mark.parametrize("value", ["backup", "all"])
def test_a_single_subflow_takes_as_long_as_without(found, value: str) -> None:
    """1 MB in seven round trips of 40 ms; one segment too little for the window, or an odd one, would be an eighth."""
    off, on = found["alone-off"].values["transfer_s"], found[f"alone-{value}"].values["transfer_s"]
    assert on == pytest.approx(off, rel=0.01)


def test_the_settings_are_read_back_on_both_ends(guest) -> None:
    lines = guest.python(READ_BACK).stdout.decode().splitlines()
    assert lines == ["{'net.mptcp.cwnd_push': '2', 'net.mptcp.initial_rcv_wnd': '1'}"] * 2


@pytest.mark.parametrize("end", ["client", "server"])
def test_a_kernel_without_them_is_refused_in_one_line(guest, end: str) -> None:
    (line,) = guest.python(UNPATCHED.format(end=end)).stdout.decode().splitlines()
    assert re.fullmatch(
        r"this kernel \([\w.+-]+\) is unpatched: it has no sysctl net\.mptcp\.cwnd_push, asked for on h1 "
        r"\('testbed kernel build' makes a kernel with the patches of kernel-patches/\)",
        line,
    )


def test_the_sysctls_are_off_and_refuse_what_they_cannot_mean(guest) -> None:
    code = "cd /proc/sys/net/mptcp; cat cwnd_push initial_rcv_wnd; echo 3 > cwnd_push; echo 2 > initial_rcv_wnd; "
    assert guest("sh", "-c", code + "cat cwnd_push initial_rcv_wnd").stdout.split() == [b"0"] * 4
