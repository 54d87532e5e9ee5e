"""What a case comes to beside the base line, and what is worth a finding."""

from __future__ import annotations

from typing import Any

import pytest
from connection_maker import Connection, download

from analysis.flows.passages import describe, digest
from analysis.flows.passages_in_captures import Agreement
from analysis.summary.exploration import base_line, join_of, judge
from analysis.summary.exploration_findings import ranked
from testbed.record import exploration as record
from testbed.record.exploration import Case, Fault

AGREED = Agreement()
BASE = base_line(download().outcome())


def row(connection: Connection, *faults: Fault, agreement: Agreement = AGREED, **outcome: Any) -> dict[str, Any]:
    case = Case(id="case", faults=faults)
    found = connection.outcome("case", struck=len(faults), **outcome)
    return judge(case, found, BASE, agreement, far_comparable=True)


def with_fate(number: int, fate: int) -> Connection:
    made = download()
    made.passages = [one._replace(fate=fate) if one.number == number else one for one in made.passages]
    return made


LOST = Fault(packet=5, what="lost")


def test_packets_are_told_by_what_they_are() -> None:
    names = [each.name for each in describe(download().passages)]
    assert names[:5] == [
        "SYN 1, client to server, initial subflow",
        "SYN+ACK 1, server to client, initial subflow",
        "third ACK 1, client to server, initial subflow",
        "data 1, client to server, initial subflow",
        "ADD_ADDR 1, server to client, initial subflow",
    ]
    assert names[6:11] == [
        "ADD_ADDR echo 1, client to server, initial subflow",
        "join SYN 1, client to server, join 1",
        "join SYN+ACK 1, server to client, join 1",
        "join ACK 1, client to server, join 1",
        "ACK 1, server to client, join 1",
    ]


def test_the_digest_does_not_know_where_sequence_numbers_begin_and_knows_all_else() -> None:
    near_the_end = download((1 << 32) - 50)
    assert digest(describe(download(7).passages)) == digest(describe(near_the_end.passages))
    other = download(7)
    other.passages[5] = other.passages[5]._replace(payload=1399)
    assert digest(describe(download(7).passages)) != digest(describe(other.passages))


def test_data_that_were_sent_before_are_called_so() -> None:
    made = download().add(record.TO_CLIENT, payload=1400, options=record.DSS, ack=81)
    assert describe(made.passages)[-1].kind == "data again"


def test_a_join_counts_from_what_the_server_sends_after_the_third_ack() -> None:
    described = describe(download().passages)
    assert join_of(described) == BASE.join
    assert (BASE.join.state, BASE.join.at_s) == ("confirmed", described[10].t_s)
    assert join_of(describe(download(joins=False).passages)).state == "none"
    assert join_of(describe(with_fate(11, record.LOST).passages)).state == "unanswered"
    refused = download()
    refused.passages[10] = refused.passages[10]._replace(flags=record.RST)
    assert join_of(describe(refused.passages)).state == "refused"


def test_a_round_trip_is_from_the_syn_to_the_third_ack() -> None:
    assert BASE.round_trip_s == pytest.approx(200e-6)


def test_a_lost_packet_that_costs_nothing_is_no_finding() -> None:
    found = row(with_fate(5, record.LOST), LOST)
    assert (found["applied"], found["outcome"], found["finding"]) == (True, "ok", "")
    assert found["what"] == "ADD_ADDR 1, server to client, initial subflow"
    assert found["bytes_by_service"] == 2000


@pytest.mark.parametrize(
    ("outcome", "finding"),
    [
        ({"done_s": None}, "hangs"),
        ({"error": "ECONNRESET"}, "reset"),
        ({"error": "ETIMEDOUT"}, "error"),
        ({"intact": False}, "damaged"),
        ({"kernel": ("WARNING: CPU",)}, "kernel warning"),
        ({"sockets_left": {"s1": 1}}, "sockets left"),
        ({"counters": {"c": {"TcpInCsumErrors": 1}}}, "counters"),
        ({"counters": {"c": {"TcpOutSegs": 3, "TcpInSegs": 5}}}, "counters"),
        ({"done_s": 0.4}, "stall"),
    ],
)
def test_each_oracle_finds_its_own(outcome: dict[str, Any], finding: str) -> None:
    assert row(with_fate(5, record.LOST), LOST, **outcome)["finding"] == finding


def test_a_join_that_never_comes_is_a_finding_and_one_that_comes_late() -> None:
    assert row(with_fate(11, record.LOST), Fault(packet=11, what="lost"))["finding"] == "no join"
    late = download()
    late.passages = [one._replace(time_ns=one.time_ns + 10**9 * (n > 6)) for n, one in enumerate(late.passages)]
    late.passages[4] = late.passages[4]._replace(fate=record.LOST)
    assert row(late, LOST)["finding"] == "late join"


def test_a_join_that_is_late_because_the_connection_is_late_is_no_finding() -> None:
    late = with_fate(1, record.LOST)
    late.passages = [one._replace(time_ns=one.time_ns + 10**9 * (n > 0)) for n, one in enumerate(late.passages)]
    assert row(late, Fault(packet=1, what="lost"), done_s=1.01)["finding"] == ""


def test_another_packet_than_that_of_the_base_line_is_not_the_one_that_was_meant() -> None:
    other = with_fate(5, record.LOST)
    other.passages[4] = other.passages[4]._replace(options=record.DSS)
    found = row(other, LOST)
    assert found["not_applied"] == "packet 5 was another one: ACK 1, server to client, initial subflow"


def test_a_syn_that_is_lost_may_cost_a_second_and_data_may_not() -> None:
    one_second = {"done_s": 1.01}
    assert row(with_fate(1, record.LOST), Fault(packet=1, what="lost"), **one_second)["finding"] == ""
    assert row(with_fate(6, record.LOST), Fault(packet=6, what="lost"), **one_second)["finding"] == "stall"


@pytest.mark.parametrize(
    ("connection", "fault", "why"),
    [
        (download(), LOST, "packet 5 was not lost"),
        (with_fate(5, record.DELAYED), Fault(packet=5, what="delayed", delay_s=0.1), "packet 5 never came back"),
        (with_fate(5, record.SWAPPED), Fault(packet=5, what="swapped"), "nothing came after it"),
        (with_fate(5, record.DUPLICATED), Fault(packet=5, what="duplicated"), "0 copies passed"),
        (download(), Fault(packet=99, what="lost"), "packet 99 was not lost"),
    ],
)
def test_a_fault_that_is_not_what_happened_is_not_applied(connection: Connection, fault: Fault, why: str) -> None:
    found = row(connection, fault)
    assert (found["applied"], found["not_applied"], found["finding"]) == (False, why, "")


def test_a_fault_that_captures_did_not_see_is_not_applied() -> None:
    assert row(with_fate(5, record.LOST), LOST, agreement=Agreement(near="1 packets"))["not_applied"] == "1 packets"


def test_a_connection_that_fails_by_itself_is_no_base_line() -> None:
    with pytest.raises(ValueError, match="fails by itself: it had no end in time"):
        base_line(download().outcome(done_s=None))
    burst = download().add(record.TO_CLIENT, payload=4000)
    with pytest.raises(ValueError, match="do not travel one by one"):
        base_line(burst.outcome())


def test_findings_are_grouped_by_what_is_alike_and_ranked_by_how_bad_it_is() -> None:
    def one(finding: str, what: str, extra_s: float | None) -> dict[str, Any]:
        return {"finding": finding, "what": what, "fault": "lost", "extra_s": extra_s}

    data = "data {}, server to client, initial subflow"
    rows = [one("stall", data.format(3), 0.3), one("stall", data.format(12), 0.9), one("hangs", "SYN 1", None)]
    groups = ranked([*rows, one("", "SYN 1", 0.0)])
    assert [[each["extra_s"] for each in group] for group in groups] == [[None], [0.9, 0.3]]
