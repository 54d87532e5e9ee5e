"""The share past the director is that of the packets no director has seen, whatever their address says."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import packet_maker as make
import pytest
import run_maker as runs
from director_maker import captured, record_director
from point_changes import append_packet, tamper
from test_paths import ANSWER_BYTES, CONNECTIONS, answers_past_the_director

from analysis.summary.of_point import PointAnalysis, analyse_point, analyse_point_fully


def row(found: PointAnalysis, quantity: str) -> dict[str, object]:
    (only,) = [each for each in found.tables["reconciliation"].to_pylist() if each["quantity"] == quantity]
    return only


def planned_through_the_director(directory: Path) -> Path:
    """A point whose servers answer past the director, of which the plan does not know: it says the address only."""
    answers_past_the_director(directory, said=False)
    traits = json.loads((directory / "point.json").read_text())["traits"]
    for path in traits["paths"]:
        path["interfaces"] = []
    tamper(directory, "point.json", traits=traits)
    return directory


def test_answers_from_the_service_address_that_no_director_saw_came_past_it(tmp_path: Path) -> None:
    directory = planned_through_the_director(tmp_path / "p")
    assert analyse_point(directory).director_bypass_share == 0
    record_director(directory, captured(directory, "c-eth0"))  # the requests
    found = analyse_point_fully(directory)
    assert found.summary.director_bypass_share == 1
    paths = {(each["path_to_client"], each["path_to_server"]) for each in found.tables["subflows"].to_pylist()}
    assert paths == {("past", "director")}
    passed = row(found, "payload to the client through a director")
    assert (passed["counted"], passed["explained"], passed["holds"]) == (CONNECTIONS * ANSWER_BYTES, 0, False)


def test_what_the_plan_and_the_captures_say_agrees_where_the_director_carries_the_answers(tmp_path: Path) -> None:
    directory = runs.load_balancer_point(tmp_path / "p")
    planned = analyse_point(directory).director_bypass_share
    record_director(directory, captured(directory, "c-eth0"))
    found = analyse_point_fully(directory)
    assert (found.summary.valid, found.summary.invalid_reasons) == (True, ())
    assert found.summary.director_bypass_share == planned == pytest.approx(0.9)
    assert row(found, "payload to the client through a director")["holds"] is True


@pytest.mark.parametrize(("middlebox", "past"), [("offset", 0.9), (None, 1)])
def test_what_a_middlebox_did_to_timestamps_is_another_packet_only_where_there_is_none(
    middlebox: str | None, past: float, tmp_path: Path
) -> None:
    directory = runs.load_balancer_point(tmp_path / "p")
    parts = json.loads((directory / "point.json").read_text())["parts"]
    parts["topology"]["settings"] = {"middlebox": middlebox}
    tamper(directory, "point.json", parts=parts)
    written = make.TIMESTAMPS[:4] + struct.pack(">II", 0x01020304, 9)
    stamped = [(time_ns, frame.replace(make.TIMESTAMPS, written)) for time_ns, frame in captured(directory, "c-eth0")]
    assert stamped != captured(directory, "c-eth0")
    record_director(directory, stamped)
    assert analyse_point(directory).director_bypass_share == pytest.approx(past)


def test_what_a_director_sends_by_itself_is_no_packet_on_a_wrong_path(tmp_path: Path) -> None:
    directory = answers_past_the_director(tmp_path / "p", said=True)
    append_packet(directory, make.to_client(80, 40001, make.RST, seq=77))
    assert analyse_point(directory).invalid_reasons[0].startswith("wrong path: 1 packets")
    record_director(directory, captured(directory, "c-eth0"))
    found = analyse_point_fully(directory)
    assert found.summary.invalid_reasons == ()
    assert [each["path"] for each in found.tables["resets"].to_pylist()] == ["director"]


def test_a_reset_that_left_no_server_is_the_directors(tmp_path: Path) -> None:
    directory = runs.load_balancer_point(tmp_path / "p", protocol="tcp")
    append_packet(directory, make.to_client(80, 40001, make.RST, seq=77))
    record_director(directory, captured(directory, "c-eth0"), resets=1)
    make.write_pcap(directory / "s1-eth0.pcap", [])
    runs.write_json(directory / "server_captures.json", [{"node": "s1", "file": "s1-eth0.pcap"}])
    found = analyse_point_fully(directory)
    (reset,) = found.tables["resets"].to_pylist()
    assert (reset["sender"], reset["sender_evidence"]) == ("d", "capture")
    left = row(found, "RSTs that left the servers")
    assert (left["counted"], left["explained"], left["holds"]) == (0, 0, True)


def test_what_the_client_sent_and_no_director_has_may_be_lost_and_is_not_past_it(tmp_path: Path) -> None:
    directory = planned_through_the_director(tmp_path / "p")
    record_director(directory, captured(directory, "c-eth0")[:1])
    connections = analyse_point_fully(directory).tables["connections"].to_pylist()
    assert {each["bytes_past_to_server"] for each in connections} == {0}


def test_a_directors_capture_with_drops_makes_the_point_invalid(tmp_path: Path) -> None:
    directory = runs.load_balancer_point(tmp_path / "p")
    record_director(directory, captured(directory, "c-eth0"))
    (capture,) = json.loads((directory / "director_captures.json").read_text())
    runs.write_json(directory / "director_captures.json", [capture | {"dropped": 7}])
    assert analyse_point(directory).invalid_reasons == ("capture drops: 7 packets on d-eth0",)


def test_captures_of_another_director_than_the_counters_are_one_line(tmp_path: Path) -> None:
    directory = runs.load_balancer_point(tmp_path / "p")
    record_director(directory, captured(directory, "c-eth0"))
    (capture,) = json.loads((directory / "director_captures.json").read_text())
    runs.write_json(directory / "director_captures.json", [capture | {"node": "e"}])
    (reason,) = analyse_point(directory).invalid_reasons
    assert reason == "director_captures.json: it and director.json are not about the same directors: d, e"


def test_the_bytes_of_capture_interfaces_and_balancer_agree(tmp_path: Path) -> None:
    directory = runs.load_balancer_point(tmp_path / "p")
    record_director(directory, captured(directory, "c-eth0"))
    found = analyse_point_fully(directory)
    for direction in ("servers", "clients"):
        for source in ("interfaces", "balancer"):
            assert row(found, f"bytes to the {direction} by the {source}")["holds"] is True
    to_servers, to_clients = found.tables["directors"].to_pylist()
    assert to_servers["captured_packets"] == 2 and to_servers["interface_packets"] == 4
    assert to_clients["captured_bytes"] == to_clients["balancer_bytes"] > 200_000
    assert (to_clients["entries_before"], to_clients["entries_most"], to_clients["entries_after"]) == (1, 5, 3)
    assert found.tables["state"]["entries"].to_pylist() == [2, 5, 3]


def test_a_balancer_that_misses_a_hundredth_does_not_agree_but_after_a_change_it_may(tmp_path: Path) -> None:
    directory = runs.load_balancer_point(tmp_path / "p")
    record_director(directory, captured(directory, "c-eth0"), balancer_misses=2000)
    quantity = "bytes to the clients by the balancer"
    assert row(analyse_point_fully(directory), quantity)["holds"] is False
    with (directory / "events.jsonl").open("a") as events:
        events.write('{"t": 0.1, "event": "server-removed", "server": "s1"}\n')
    assert row(analyse_point_fully(directory), quantity)["holds"] is None


def test_what_the_directors_own_queue_dropped_the_balancer_has_counted(tmp_path: Path) -> None:
    directory = runs.load_balancer_point(tmp_path / "p")
    record_director(directory, captured(directory, "c-eth0"), queue_dropped=5)
    found = row(analyse_point_fully(directory), "bytes to the clients by the balancer")
    assert found["difference"] == 7500 and found["holds"] is True
    assert str(found["note"]).endswith("5 dropped by the director's own queue")


def test_the_summary_has_the_directors_figures(tmp_path: Path) -> None:
    directory = runs.load_balancer_point(tmp_path / "p")
    assert analyse_point(directory).balancing is None
    record_director(directory, captured(directory, "c-eth0"))
    found = analyse_point(directory).balancing
    assert found is not None and found.director_entries == 5
    assert found.director_bytes_to_clients is not None and found.director_bytes_to_clients > 200_000
    assert found.changes == () and found.recovery_s is None
