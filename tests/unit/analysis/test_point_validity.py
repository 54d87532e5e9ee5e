"""What makes a point invalid: each broken rule is named, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import packet_maker as make
import pytest
import run_maker as runs
from point_changes import (
    append_packet,
    cut_capture,
    drop_packets,
    fall_back,
    list_captures,
    lose_packets,
    tamper,
    without_join,
    without_payload,
)

from analysis.summary.of_point import analyse_point

BREAKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "outcome failed": (
        lambda d: tamper(d, "outcome.json", status="failed", error="guest panic"),
        "the run failed: guest panic",
    ),
    "kernel warning": (
        lambda d: tamper(d, "outcome.json", kernel_warnings=["WARNING: CPU: 0 at x.c:1", "BUG: y"]),
        "kernel warning in the log: WARNING: CPU: 0 at x.c:1 (and 1 more)",
    ),
    "no outcome": (lambda d: (d / "outcome.json").unlink(), "outcome.json: No such file or directory"),
    "drops": (drop_packets, "capture drops: 7 packets on c-eth1"),
    "fewer records": (lose_packets, "capture is not whole: c-eth0.pcap: 5 of 109 packets are missing"),
    "cut capture": (cut_capture, "capture is not whole: c-eth1.pcap: truncated record at byte 14632: 141 bytes"),
    "no capture file": (lambda d: (d / "c-eth1.pcap").unlink(), "c-eth1.pcap: No such file or directory"),
    "empty capture": (lambda d: (d / "c-eth0.pcap").write_bytes(b""), "c-eth0.pcap: the capture is empty"),
    "more records": (lambda d: list_captures(d, 0, captured=100), "c-eth0.pcap: 104 packets, but tcpdump captured 100"),
    "a capture twice": (
        lambda d: list_captures(d, 0, again=True),
        "captures.json: interface 'c-eth0' is listed 2 times",
    ),
    "a capture under two names": (
        lambda d: list_captures(d, 0, again=True, interface="c-eth2"),
        "captures.json: file 'c-eth0.pcap' is listed 2 times",
    ),
    "a capture that is not listed": (
        lambda d: runs.write_json(d / "captures.json", json.loads((d / "captures.json").read_text())[:1]),
        "captures.json: no capture at the client's eth1, where the point has a path",
    ),
    "negative drops": (lambda d: list_captures(d, 1, dropped=-5), "captures.json: 'dropped' is -5, which is beyond"),
    "a server that is not listed": (
        lambda d: runs.write_json(d / "server_captures.json", []),
        "server_captures.json: no capture at s1",
    ),
    "no captures": (lambda d: runs.write_json(d / "captures.json", []), "no capture was taken"),
    "no ab totals": (lambda d: (d / "ab.txt").write_text(""), "ab.txt: empty: ab printed nothing"),
    "object of another size": (
        lambda d: tamper(d, "point.json", object_bytes=999),
        "document length: 1000000 bytes, but the object has 999",
    ),
    "failed requests": (
        lambda d: (d / "ab.txt").write_text(runs.ab_text(failed=1)),
        "failed requests: 1 of 2",
    ),
    "requests missing": (
        lambda d: tamper(d, "point.json", **runs.described("load-balancer", "mptcp", {"requests": 3})),
        "requests: 2 of 3 complete",
    ),
    "fallback": (
        fall_back,
        "fell back to TCP: 1 of 3 connections",
    ),
    "nothing loaded": (without_payload, "no payload in the captures"),
    "joins missing": (without_join, "joins missing: 1 of 2"),
    "strange address": (
        lambda d: append_packet(d, make.packet("10.0.11.2", make.CLIENT, 80, 40001, make.ACK, payload=33)),
        "wrong path: 33 bytes from addresses that the point does not have",
    ),
    "no end": (
        lambda d: (d / "events.jsonl").write_text((d / "events.jsonl").read_text().splitlines()[0] + "\n"),
        "the workload's end is not in events.jsonl",
    ),
    "malformed event": (
        lambda d: (d / "events.jsonl").write_text('{"t": 0.0, "event": "workload-started", "epoch_s": 1.0}\n{"t": 1\n'),
        "events.jsonl:2: not JSON",
    ),
    "malformed half-open connections": (
        lambda d: (d / "half_open.json").write_text("[]"),
        "half_open.json: not a JSON object",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_rule_is_the_one_reason_why_a_point_is_invalid(tmp_path: Path, name: str) -> None:
    damage, reason = BREAKS[name]
    directory = runs.load_balancer_point(tmp_path / "p")
    damage(directory)
    found = analyse_point(directory)
    assert not found.valid
    assert len(found.invalid_reasons) == 1
    assert reason in found.invalid_reasons[0]
    assert "\n" not in found.invalid_reasons[0]


@pytest.mark.parametrize(("loss", "valid"), [(0.001, False), (0.2, True)])
def test_a_loss_excuses_as_many_missing_joins_as_it_explains(tmp_path: Path, loss: float, valid: bool) -> None:
    directory = runs.load_balancer_point(tmp_path / "p")
    without_join(directory)
    parameters = {"requests": 2, "client_director_loss": loss, "direct_loss": 0.0}
    tamper(directory, "point.json", **runs.described("load-balancer", "mptcp", parameters))
    assert analyse_point(directory).valid is valid


def test_a_failed_run_explains_its_missing_files(tmp_path: Path) -> None:
    directory = runs.load_balancer_point(tmp_path / "p")
    tamper(directory, "outcome.json", status="failed", error="the guest was killed")
    for name in ("ab.txt", "captures.json", "events.jsonl"):
        (directory / name).unlink()
    assert analyse_point(directory).invalid_reasons == ("the run failed: the guest was killed",)


def test_bytes_past_the_director_make_a_tcp_point_invalid(tmp_path: Path) -> None:
    directory = runs.load_balancer_point(tmp_path / "p", protocol="tcp")
    append_packet(directory, make.data(0, 50001, 77, past=True)[1], "c-eth1")
    assert analyse_point(directory).invalid_reasons == ("wrong path: 77 bytes past the director in a TCP point",)


def test_a_workload_that_ended_early_is_invalid(tmp_path: Path) -> None:
    directory = runs.anycast_point(tmp_path / "p", parameters={"duration_s": 120})
    found = analyse_point(directory)
    assert found.invalid_reasons == ("the workload ended after 4.3 of 120 s",)
    assert found.per_second is not None
    assert len(found.per_second.utilisation_bps) == 4


def test_a_point_that_cannot_be_read_at_all_names_its_directory(tmp_path: Path) -> None:
    (tmp_path / "fig07-x").mkdir()
    found = analyse_point(tmp_path / "fig07-x")
    assert (found.id, found.valid) == ("fig07-x", False)
    assert found.invalid_reasons == ("point.json: No such file or directory",)


def test_a_point_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    directory = runs.load_balancer_point(tmp_path / "p", version=3)
    reason = "point.json: version 3, but this toolkit reads versions 1 and 2"
    assert analyse_point(directory).invalid_reasons == (reason,)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    directory = runs.load_balancer_point(tmp_path / "p", seed="one")
    assert analyse_point(directory).invalid_reasons == ("point.json: 'seed' is 'one', not of type int",)
