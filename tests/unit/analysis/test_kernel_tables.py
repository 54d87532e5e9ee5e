"""The kernel's own reasons of RSTs beside the causes that packets tell, and what else it says, from made-up traces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import observation_maker as seen
import packet_maker as make
from observation_maker import MS, T

from analysis.summary.explanations import head_of_line_in_words, reset_reasons_in_words, with_explanations
from analysis.summary.model import HeadOfLine, PointSummary, ResetReason
from analysis.tables.kernel import tabulate_kernel
from analysis.tables.of_captures import tabulate
from testbed.record.trace import TraceEvent

PORT = 40001
CLIENT, SERVICE = f"{make.CLIENT}:{PORT}", f"{make.VIP}:80"
SOCKETLESS = {"skbaddr": "00000000f3fd59f8", "state": "UNKNOWN", "reason": "NO_SOCKET"}


def reset(src: str, dst: str, **said: str) -> TraceEvent:
    return TraceEvent(None, "tcp_send_reset", {"src": src, "dest": dst, **SOCKETLESS, **said})


def frames() -> seen.Frames:
    """A connection that moves at 1 s to a server without it, whose stray RST ends it, and the client's RST to that."""
    return [
        *seen.tcp(PORT), *seen.body(PORT, 0.5, 5001, 1000),
        seen.stray_reset(PORT, 1.5, 6001),
        (T + 1600 * MS, make.to_client(80, PORT, make.ACK, seq=6001, ack=1101, payload=10)),
        (T + 1601 * MS, make.to_server(PORT, 80, make.RST, seq=1101)),
    ]  # fmt: skip


def kernel(tmp_path: Path, *events: TraceEvent) -> list[dict[str, Any]]:
    observed = seen.observe(tmp_path, frames(), events=seen.OUT_AT_1)
    found: list[dict[str, Any]] = tabulate_kernel(events, observed)["kernel_resets"].to_pylist()
    return found


def test_each_event_finds_its_rst_and_a_listeners_what_is_left(tmp_path: Path) -> None:
    listener = reset("0.0.0.0:80", "0.0.0.0:0", state="TCP_LISTEN", reason="TCP_FLAGS")
    found = kernel(tmp_path, reset(CLIENT, SERVICE), listener, reset(CLIENT, SERVICE))
    told = [tuple(row[name] for name in ("state", "reason", "reset", "cause", "agrees", "t_s")) for row in found]
    assert told == [
        ("UNKNOWN", "NO_SOCKET", 1, "closed-socket", True, 1.601),
        ("LISTEN", "TCP_FLAGS", 0, "no-socket", True, 1.5),
        ("UNKNOWN", "NO_SOCKET", None, None, None, None),
    ]


def test_a_reason_that_says_otherwise_does_not_agree_and_one_that_says_nothing_is_apart(tmp_path: Path) -> None:
    wrong = reset(SERVICE, CLIENT, reason="TCP_KEEPALIVE_TIMEOUT")
    nothing = reset(CLIENT, SERVICE, reason="NOT_SPECIFIED")
    found = kernel(tmp_path, wrong, nothing)
    assert [(row["cause"], row["specific"], row["agrees"]) for row in found] == [
        ("no-socket", True, False),
        ("closed-socket", False, None),
    ]


def test_a_socket_that_is_closed_by_a_rst_is_not_one_that_answers_a_packet(tmp_path: Path) -> None:
    (row,) = kernel(tmp_path, reset(CLIENT, SERVICE, skbaddr="0000000000000000", reason="TCP_ABORT_ON_CLOSE"))
    assert (row["answers"], row["reset"]) == (False, None)


def test_what_the_kernel_knows_of_a_socket_has_its_subflow(tmp_path: Path) -> None:
    said = {
        "src": f"10.0.11.2:{80}", "dest": CLIENT, "data_len": "0", "snd_nxt": "0x2", "snd_una": "0xffffffff",
        "snd_cwnd": "15", "ssthresh": "2147483647", "snd_wnd": "65536", "srtt": "1021", "rcv_wnd": "64000",
    }  # fmt: skip
    again = {"family": "AF_INET", "sport": str(PORT), "dport": "80", "saddr": make.CLIENT, "daddr": make.VIP}
    acknowledged = {"data_ack": "7", "old_snd_una": "18446744073709551615", "new_snd_una": "4"}
    chosen = {"active": "1", "free": "0", "snd_wnd": "9", "pace": "8", "backup": "1", "ratio": "0"}
    events = [
        TraceEvent(T + 7 * MS, "tcp_probe", said),
        TraceEvent(T + 8 * MS, "tcp_retransmit_skb", {**again, "state": "TCP_ESTABLISHED"}),
        TraceEvent(T + 9 * MS, "ack_update_msk", acknowledged),
        TraceEvent(T + 9 * MS, "mptcp_subflow_get_send", chosen),
    ]
    tables = tabulate_kernel(events, seen.observe(tmp_path, seen.tcp(PORT)))
    (probe,) = tables["kernel_probes"].to_pylist()
    wanted = {"t_s": 0.007, "connection": 0, "subflow": 0, "end": "server", "cwnd": 15, "ssthresh": None}
    wanted |= {"flight_bytes": 3, "send_window": 65536, "receive_window": 64000, "smoothed_s": 0.001021}
    assert {name: probe[name] for name in wanted} == wanted
    (retransmitted,) = tables["kernel_retransmissions"].to_pylist()
    assert (retransmitted["end"], retransmitted["connection"], retransmitted["state"]) == ("client", 0, "ESTABLISHED")
    first, second = tables["kernel_mptcp"].to_pylist()
    assert (first["acknowledged_bytes"], first["data_ack"], first["active"]) == (5, "7", None)
    assert (second["active"], second["free"], second["backup"], second["send_window"]) == (True, False, True, 9)


def test_a_summary_explains_itself_in_words(tmp_path: Path) -> None:
    observed = seen.observe(tmp_path, frames(), events=seen.OUT_AT_1)
    events = [reset(SERVICE, CLIENT), reset(CLIENT, SERVICE, reason="TCP_KEEPALIVE_TIMEOUT")]
    tables = tabulate(observed) | tabulate_kernel(events, observed)
    summary = with_explanations(PointSummary(id="p"), tables)
    assert summary.reset_reasons == (
        ResetReason("closed-socket", "TCP_KEEPALIVE_TIMEOUT", specific=True, agrees=False, count=1),
        ResetReason("no-socket", "NO_SOCKET", specific=True, agrees=True, count=1),
    )
    assert list(reset_reasons_in_words(summary.reset_reasons)) == [
        "of 2 RSTs the kernel says why it sent them: the cause agrees for 1 of 2 with a specific reason (50.00%); "
        "0 have none, 0 are in no capture of the client's",
        "1 RSTs: the cause is closed-socket, but the kernel says TCP_KEEPALIVE_TIMEOUT",
    ]
    assert summary.head_of_line == HeadOfLine(0.0, None, None, None, 0)
    assert head_of_line_in_words(summary.head_of_line, "director") == "every byte came in its order"
    waited = HeadOfLine(0.25, 0.4, 0.8, 0.99, 3_000_000)
    assert head_of_line_in_words(waited, "director") == (
        "25.0% of the bytes came before others that are before them in the page, and waited 400.0 ms on average "
        "(800.0 ms at most), 99% of it for the initial subflow, by the director; the reordering buffer held 3.00 MB at "
        "most"
    )
