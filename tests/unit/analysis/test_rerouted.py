"""Subflows whose packets came to another server: what made the client send the first one, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import packet_maker as make
import pytest
from observation_maker import MS, Frames, S, T, observe, tcp

from analysis.tables.connections import tabulate_connections
from analysis.tables.routing import tabulate_rerouted, tabulate_routes
from testbed.base.errors import AnalysisError
from testbed.record.events import Event
from testbed.record.routes import RouteChange

PORT = 20_000
ASKED = 1101
"""What the server expects after the request of 100 bytes, and what it has of the client."""
DOWN = Event(t=1.0, event="link-down", link="r1-r2")
MOVED = RouteChange(t=2.0, node="r1", is_first=True, change="set", destination=make.VIP, via=("10.0.14.4",))
ELSEWHERE = MOVED.model_copy(update={"t_s": 1.5, "node": "r2", "is_first": False})
THERE = MOVED.model_copy(update={"t_s": 0.0, "change": "there"})
HOP = 5 * MS


def data(seq: int, payload: int = 1000) -> bytes:
    return make.to_client(80, PORT, make.ACK, seq=seq, ack=ASKED, payload=payload)


def from_client(seq: int = ASKED, ack: int = 6001, flags: int = make.ACK, payload: int = 0) -> bytes:
    return make.to_server(PORT, 80, flags, seq=seq, ack=ack, payload=payload)


def reset(ack: int = 6001) -> bytes:
    return make.to_client(80, PORT, make.RST, seq=ack)


def rerouted(tmp_path: Path, sent: Frames, frames: Frames, astray: bytes, at_s: float) -> list[dict[str, Any]]:
    """A connection opened at s1; `frames` are seen at the client, `sent` left s1, `astray` came to s2 at `at_s`."""
    opening = tcp(PORT)
    at = T + round(at_s * S)
    observed = observe(
        tmp_path,
        [*opening, *frames, (at + HOP, reset())],
        servers=("s1", "s2"),
        events=(DOWN,),
        at_servers={"s1": [*opening, *sent], "s2": [(at, astray), (at + 1000, reset())]},
    )
    routes = (THERE, ELSEWHERE, MOVED)
    return list(tabulate_rerouted(observed, tabulate_connections(observed), routes).to_pylist())


def at(seconds: float) -> int:
    return T + round(seconds * S)


def test_an_answer_to_a_retransmission_is_told_from_one_to_new_data(tmp_path: Path) -> None:
    arrived, left = (at(3.0) + HOP, data(5001)), (at(3.0) + 2 * HOP, from_client())
    for number, (sent, kind) in enumerate(
        (
            ([(at(1.5), data(5001)), (at(3.0), data(5001))], "answer to a retransmission"),
            ([(at(1.5), data(5001, payload=400)), (at(3.0), data(5001))], "answer to a retransmission"),
            ([(at(3.0), data(5001))], "answer"),
            ([], "answer"),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        (row,) = rerouted(folder, sent, [arrived, left], from_client(), 3.015)
        assert (row["old_server"], row["new_server"], row["kind"], row["client_port"]) == ("s1", "s2", kind, PORT)
        assert row["sent_s"] == (pytest.approx(3.0) if sent else None)
        times = [row[name] for name in ("arrived_s", "left_s", "reached_s", "reset_s")]
        assert times == pytest.approx([3.005, 3.010, 3.015, 3.015001])
        assert (row["event"], row["event_t_s"], row["route_s"], row["survived"]) == ("link-down", 1.0, 2.0, False)


@pytest.mark.parametrize(
    ("frames", "astray", "kind"),
    [
        ([(at(3.0), from_client(payload=50))], from_client(payload=50), "first transmission"),
        ([(at(2.0), from_client(payload=50)), (at(3.0), from_client(payload=50))], from_client(payload=50),
         "retransmission"),
        ([(at(3.0), from_client(flags=make.FIN | make.ACK))], from_client(flags=make.FIN | make.ACK), "close"),
        ([(at(2.0), data(5001)), (at(3.0), from_client())], from_client(), None),
    ],
)  # fmt: skip
def test_what_the_client_sends_by_itself_is_no_answer(tmp_path: Path, frames, astray, kind) -> None:
    (row,) = rerouted(tmp_path, [], frames, astray, 3.005)
    assert (row["kind"], row["sent_s"], row["arrived_s"]) == (kind, None, None)
    assert row["left_s"] == pytest.approx(3.0)


def test_a_packet_that_nobody_has_seen_leave_is_counted_without_a_reason(tmp_path: Path) -> None:
    (row,) = rerouted(tmp_path, [], [], from_client(ack=7777), 3.0)
    assert (row["kind"], row["left_s"], row["reached_s"]) == (None, None, pytest.approx(3.0))


def test_a_server_that_gets_its_own_packets_only_is_in_no_row(tmp_path: Path) -> None:
    opening = tcp(PORT)
    observed = observe(tmp_path, opening, servers=("s1", "s2"), at_servers={"s1": opening, "s2": []})
    assert tabulate_rerouted(observed, tabulate_connections(observed), (THERE,)).num_rows == 0


def test_a_route_says_whose_address_it_leads_to(tmp_path: Path) -> None:
    observed = observe(tmp_path, tcp(PORT), servers=("s1", "s2"))
    routes = [
        RouteChange(t=0.0, node="r1", is_first=True, change="set", destination=each, via=("a", "b"))
        for each in (make.VIP, "10.0.12.0/24", "192.0.2.0/24")
    ]
    rows = tabulate_routes("p", routes, observed.addresses).to_pylist()
    assert [(row["leads_to"], row["via"]) for row in rows] == [("service", "a b"), ("s2", "a b"), (None, "a b")]
    wrong = routes[0].model_copy(update={"destination": "somewhere"})
    with pytest.raises(AnalysisError, match=r"routes.jsonl: 'somewhere' is no destination"):
        tabulate_routes("p", [wrong], observed.addresses)
