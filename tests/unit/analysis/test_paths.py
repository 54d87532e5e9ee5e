"""Paths: direction, interface and address tell a packet's, as its point says; where it says nothing, the address."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import packet_maker as make
import pytest
import run_maker as runs
from point_changes import append_packet, tamper

from analysis.flows.paths import PAST_DIRECTOR, UNKNOWN_PATH, VIA_DIRECTOR, path_table, paths_of_packets
from analysis.summary.of_point import analyse_point, analyse_point_fully
from testbed.base.traits import Path as PathTrait

REQUEST_BYTES, ANSWER_BYTES, CONNECTIONS = 80, 1_000_000, 2


def answers_past_the_director(directory: Path, protocol: str = "tcp", *, said: bool) -> Path:
    """A point whose clients come through the director, and whose servers answer past it, from the service address.

    Both connections have the same port: the second one begins where the first has ended. `said`: in its traits.
    """
    runs.load_balancer_point(directory, protocol=protocol)
    requests, answers = [], []
    for number in range(CONNECTIONS):
        start, key = runs.START_NS + (10 + 100 * number) * runs.MS, (runs.KEY_A, runs.KEY_B)[number]
        isn = 1000 + 900_000 * number
        syn, syn_ack = make.handshake(start, 40001, key=key if protocol == "mptcp" else b"", isn=isn)
        request = make.to_server(40001, 80, make.ACK, seq=isn + 1, payload=REQUEST_BYTES)
        requests += [syn, (start + 2 * runs.MS, request)]
        answers += [
            syn_ack,
            *(
                (start + 3 * runs.MS + i, make.to_client(80, 40001, make.ACK, seq=1 + i * 50_000, payload=50_000))
                for i in range(ANSWER_BYTES // 50_000)
            ),
        ]
    captures = {"c-eth0": requests, "c-eth1": answers}
    for name, packets in captures.items():
        make.write_pcap(directory / f"{name}.pcap", packets)
    listed = [
        {"interface": name, "file": f"{name}.pcap", "captured": len(packets), "dropped": 0}
        for name, packets in captures.items()
    ]
    runs.write_json(directory / "captures.json", listed)
    if said:
        traits = json.loads((directory / "point.json").read_text())["traits"]
        for each in traits["paths"]:
            if (each["direction"], each["address"]) == ("to-client", "service"):
                each |= {"name": "past the director", "interfaces": ["-eth1"], "past_director": True}
        tamper(directory, "point.json", traits=traits)
    return directory


def test_answers_past_the_director_count_as_such_and_their_requests_do_not(tmp_path: Path) -> None:
    found = analyse_point_fully(answers_past_the_director(tmp_path / "p", said=True))
    assert (found.summary.valid, found.summary.invalid_reasons) == (True, ())
    assert found.summary.director_bypass_share == 1.0
    connections = found.tables["connections"].to_pylist()
    assert len(connections) == CONNECTIONS
    for each in connections:
        assert (each["bytes_to_client"], each["bytes_to_server"]) == (ANSWER_BYTES, REQUEST_BYTES)
        assert (each["bytes_past_to_client"], each["bytes_past_to_server"]) == (ANSWER_BYTES, 0)
        assert each["past_wait_s"] == pytest.approx(0.003)
    subflows = found.tables["subflows"].to_pylist()
    assert [(each["path"], each["path_to_client"], each["path_to_server"]) for each in subflows] == [
        ("past", "past", "director")
    ] * CONNECTIONS
    assert [each["points_seen"] for each in subflows] == [1] * CONNECTIONS
    bytes_of: dict[tuple[str, str], int] = {}
    for each in found.tables["seconds"].to_pylist():
        key = each["direction"], each["path"]
        bytes_of[key] = bytes_of.get(key, 0) + each["payload_bytes"]
    assert {key: size for key, size in bytes_of.items() if size} == {
        ("to-client", "past"): CONNECTIONS * ANSWER_BYTES,
        ("to-server", "director"): CONNECTIONS * REQUEST_BYTES,
    }


def test_the_same_answers_are_on_a_wrong_path_where_the_director_carries_them(tmp_path: Path) -> None:
    found = analyse_point_fully(answers_past_the_director(tmp_path / "p", said=False))
    packets, size = CONNECTIONS * (1 + ANSWER_BYTES // 50_000), CONNECTIONS * ANSWER_BYTES
    assert found.summary.invalid_reasons == (
        f"wrong path: {packets} packets ({size} bytes) at an interface of the client where the point has no path for "
        "their address",
    )
    assert set(found.tables["subflows"]["path_to_client"].to_pylist()) == {"unknown"}
    assert set(found.tables["subflows"]["path_to_server"].to_pylist()) == {"director"}


def test_requests_at_the_wrong_interface_are_seen_where_answers_are_measured(tmp_path: Path) -> None:
    directory = runs.load_balancer_point(tmp_path / "p")
    append_packet(directory, make.to_server(50001, 80, make.ACK, src=make.CLIENT_DIRECT, dst=make.UNIQUE, payload=5))
    (reason,) = analyse_point(directory).invalid_reasons
    assert reason.startswith("wrong path: 1 packets (5 bytes) at an interface")


def test_mptcp_waits_for_its_first_byte_past_the_director_in_the_initial_subflow_too(tmp_path: Path) -> None:
    directory = answers_past_the_director(tmp_path / "p", "mptcp", said=True)
    tamper(directory, "point.json", plot="ablation", variant="past")
    waits = analyse_point(directory, {"ablation"}).waits
    assert waits is not None
    assert waits.bypass_wait_s == (0.003, 0.003)


def test_a_point_that_says_no_paths_has_them_by_address_at_any_interface() -> None:
    assert path_table().shape == (3, 2, 1)
    named = path_table((), ("c-eth0", "c-eth1"))
    assert (named == path_table()).all()


@pytest.mark.parametrize("interfaces", [(), ("-eth1",)])
def test_packets_are_told_one_by_one(interfaces: tuple[str, ...]) -> None:
    paths = (
        PathTrait(name="in", direction="to-server", address="service", interfaces=interfaces and ("-eth0",)),
        PathTrait(name="out", direction="to-client", address="service", interfaces=interfaces, past_director=True),
    )
    kind = np.array([1, 2, 0], np.uint8)  # the service address, a unique one, none of ours
    flow = np.array([0, 0, 0, 0, 1, 2], np.int64)
    from_client = np.array([True, True, False, False, True, False])
    interface = np.array([0, 1, 0, 1, 0, 0], np.uint16)
    table = path_table(paths, ("c-eth0", "c-eth1"))
    found = paths_of_packets(table, kind=kind, flow=flow, from_client=from_client, interface=interface)
    wrong_in, wrong_out = (UNKNOWN_PATH, UNKNOWN_PATH) if interfaces else (VIA_DIRECTOR, PAST_DIRECTOR)
    assert found.tolist() == [VIA_DIRECTOR, wrong_in, wrong_out, PAST_DIRECTOR, UNKNOWN_PATH, UNKNOWN_PATH]
