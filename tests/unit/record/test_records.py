"""The records of a run's files: of what their writers leave, byte by byte, readers make the same record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from experiments.record import Events, write, write_list
from testbed.base.errors import AnalysisError
from testbed.process import CommandLog
from testbed.record import model
from testbed.record.addresses import AddressPlan, ServerAddresses, Service, read_addresses
from testbed.record.captures import CaptureFile, ServerCapture, read_captures, read_server_captures
from testbed.record.commands import Command
from testbed.record.counters import Counters, Sample, read_counters, read_samples
from testbed.record.events import Event, read_events
from testbed.record.host_load import HostLoad, read_host_load
from testbed.record.loss_injection import InjectedLosses, read_injected_losses
from testbed.record.model import Record
from testbed.record.outcome import Outcome
from testbed.record.settings import Settings
from testbed.record.uploads import Uploads

ADDRESSES = AddressPlan(
    client=("10.0.1.2", "10.0.3.2"),
    service=Service(address="10.0.1.80", port=80),
    servers={"s1": ServerAddresses(unique="10.0.3.101", local="10.0.11.2")},
)
COUNTERS = Counters(
    before={"c": {"TcpMaxConn": -1}},
    after={"c": {"TcpMaxConn": -1, "TcpOutRsts": 3}},
    settled={"c": {"TcpOutRsts": 1 << 62}},
    settled_s=(5.5, 5.500001),
    queue_drops={"c": {"c-eth0": 0}},
)
SAMPLE = Sample(t=1.000009, interfaces={"c-eth0": {"rx_bytes": 10051196}}, counters={"c": {"TcpOutRsts": 0}})
CAPTURE = CaptureFile(interface="c-eth0", file="c-eth0.pcap", captured=5836, dropped=0)
LOSSES = InjectedLosses(
    packet="join-syn", occurrence=1, interfaces=("d-eth0", "w-eth1"), connections=20, packets=20, dropped=20
)
LOAD = HostLoad(epoch_s=1_700_000_001.25, seconds=1.000123, cores=2, busy_s=1.5, idle_s=0.5, stolen_s=0.0)


def written(path: Path, *records: Record) -> str:
    path.write_text("".join(record.line() for record in records))
    return path.read_text()


def test_a_file_of_the_lab_has_its_keys_in_order_one_a_line(tmp_path: Path) -> None:
    write(tmp_path / "addresses.json", ADDRESSES)
    assert (tmp_path / "addresses.json").read_text().startswith('{\n "client": [\n  "10.0.1.2",\n  "10.0.3.2"\n ],\n')
    assert read_addresses(tmp_path) == ADDRESSES
    write(tmp_path / "counters.json", COUNTERS)
    assert (tmp_path / "counters.json").read_text() == (
        '{\n "after": {\n  "c": {\n   "TcpMaxConn": -1,\n   "TcpOutRsts": 3\n  }\n },\n'
        ' "before": {\n  "c": {\n   "TcpMaxConn": -1\n  }\n },\n "queue_drops": {\n  "c": {\n   "c-eth0": 0\n  }\n },\n'
        ' "settled": {\n  "c": {\n   "TcpOutRsts": 4611686018427387904\n  }\n },\n'
        ' "settled_s": [\n  5.5,\n  5.500001\n ]\n}\n'
    )
    assert read_counters(tmp_path) == COUNTERS
    write(tmp_path / "loss_injection.json", LOSSES)
    assert read_injected_losses(tmp_path) == LOSSES


def test_a_file_that_is_a_list_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_list(tmp_path / "captures.json", [CAPTURE])
    assert (tmp_path / "captures.json").read_text() == (
        '[\n {\n  "captured": 5836,\n  "dropped": 0,\n  "file": "c-eth0.pcap",\n  "interface": "c-eth0"\n }\n]\n'
    )
    assert read_captures(tmp_path) == (CAPTURE,)
    assert read_server_captures(tmp_path) == ()
    write_list(tmp_path / "server_captures.json", [ServerCapture(node="s1", file="s1-eth0.pcap")])
    assert read_server_captures(tmp_path) == (ServerCapture(node="s1", file="s1-eth0.pcap"),)


def test_a_line_has_what_its_writer_said_in_the_models_order(tmp_path: Path) -> None:
    assert written(tmp_path / "samples.jsonl", SAMPLE) == (
        '{"t": 1.000009, "interfaces": {"c-eth0": {"rx_bytes": 10051196}}, "counters": {"c": {"TcpOutRsts": 0}}}\n'
    )
    assert read_samples(tmp_path) == [SAMPLE]
    assert written(tmp_path / "host_load.jsonl", LOAD, LOAD).splitlines()[1] == (
        '{"epoch_s": 1700000001.25, "seconds": 1.000123, "cores": 2, "busy_s": 1.5, "idle_s": 0.5, "stolen_s": 0.0}'
    )
    assert read_host_load(tmp_path) == (LOAD, LOAD)


def test_an_event_is_on_disk_at_once_and_says_no_more_than_it_knows(tmp_path: Path) -> None:
    with (tmp_path / "events.jsonl").open("w") as file:
        events = Events(file)
        events.start()
        events.add("server-removed", server="s1")
        events.add("workload-ended")
        started, removed, ended = map(json.loads, (tmp_path / "events.jsonl").read_text().splitlines())
    assert list(started) == ["t", "event", "epoch_s"] and started["t"] == 0.0
    assert list(removed) == ["t", "event", "server"] and removed["server"] == "s1"
    assert list(ended) == ["t", "event"]
    assert [event.event for event in read_events(tmp_path)] == ["workload-started", "server-removed", "workload-ended"]


def test_events_are_read_in_order_of_time(tmp_path: Path) -> None:
    late, early = Event(t=2.0, event="b"), Event(t=1.0, event="a")
    written(tmp_path / "events.jsonl", late, early)
    assert read_events(tmp_path) == (early, late)


def test_a_command_whose_words_are_no_text_is_recorded_all_the_same() -> None:
    log = CommandLog()
    log.add(["cat", "\udcff"], 0, 0.00002)
    log.add(["ab"], None, 0.0)
    assert [Command.model_validate(entry).line() for entry in log.entries] == [
        '{"argv": ["cat", "\\\\udcff"], "status": 0, "seconds": 2e-05}\n',
        '{"argv": ["ab"], "status": null, "seconds": 0.0}\n',
    ]


def test_settings_keep_what_a_node_or_a_director_says_under_its_own_name() -> None:
    found = {"kernel": "6.12.117", "links": [{"interface": "c-eth0"}], "c": {"sysctl": {"a": "1"}}, "ipvs": [{"w": 1}]}
    assert Settings.model_validate(found).fields() == found


def test_uploads_are_their_size_and_where_they_are_stored() -> None:
    assert Uploads(bytes=5, stored=("/tmp/a",)).fields() == {"bytes": 5, "stored": ["/tmp/a"]}


def test_a_writer_cannot_write_what_a_reader_would_refuse() -> None:
    for too_large in (1e300, float("inf"), float("nan")):
        with pytest.raises(ValidationError):
            Event(t=too_large, event="workload-ended")


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (Event, [], "x: not a JSON object"),
        (Event, {"t": 0}, "x: 'event' is missing"),
        (Event, {"t": True, "event": "e"}, "x: 't' is True, not of type float"),
        (Event, {"t": "1", "event": "e"}, "x: 't' is '1', not of type float"),
        (Event, {"t": 0, "event": 5}, "x: 'event' is 5, not of type str"),
        (Event, {"t": 0, "event": "e", "epoch_s": 1e10}, "x: 'epoch_s' is 10000000000.0, which is beyond all bounds"),
        (CaptureFile, {"interface": "a", "file": "/", "captured": 1, "dropped": 0}, "x: 'file' is '/': names no file"),
        (CaptureFile, {"interface": "a", "file": "f", "captured": 1.5, "dropped": 0}, "x: 'captured' is 1.5, not of "),
        (Outcome, {"status": "well"}, "x: 'status' is 'well': Input should be 'ok' or 'failed'"),
        (Outcome, {"status": "ok", "files": ["a", 5]}, "x: 'files' is ['a', 5]: 5 in it is no text"),
        (AddressPlan, ADDRESSES.fields() | {"client": ["10.0.0.256"]}, "'client.0' is '10.0.0.256': not an IP address"),
        (AddressPlan, ADDRESSES.fields() | {"servers": {"s" * 99: 5}}, "'servers." + "s" * 60 + "...' is 5, not of "),
        (Sample, SAMPLE.fields() | {"counters": {"s": {"n": 1 << 63}}}, "'counters.s.n' is 9223372036854775808"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line_with_the_key(kind: type[Record], value: object, said: str) -> None:
    with pytest.raises(AnalysisError) as caught:
        model.parse(kind, value, "x")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 250 and "\n" not in str(caught.value)


def test_a_key_of_a_newer_toolkit_is_passed_over() -> None:
    assert model.parse(Event, {"t": 0, "event": "e", "mood": 5}, "x") == Event(t=0.0, event="e")


def test_a_file_and_a_line_have_a_size_that_is_no_recordings(tmp_path: Path) -> None:
    (tmp_path / "counters.json").write_text(" " * (model.MOST_BYTES + 1))
    with pytest.raises(AnalysisError, match=r"counters\.json: larger than 16777216 bytes"):
        read_counters(tmp_path)
    (tmp_path / "events.jsonl").write_text('{"t": 0, "event": "' + "x" * model.MOST_BYTES + '"}')
    with pytest.raises(AnalysisError, match=r"events\.jsonl:1: longer than 16777216 characters"):
        read_events(tmp_path)


def test_an_outcome_has_what_the_scheduler_said_in_its_order_and_text_only() -> None:
    outcome = Outcome(status="failed", error="\udcff", wall_s=1.5, virtual_s=None, kernel_warnings=(), lab="uml")
    assert json.dumps(outcome.model_copy(update={"files": ("ab.txt",)}).fields()) == (
        '{"status": "failed", "error": "\\\\udcff", "wall_s": 1.5, "virtual_s": null, "kernel_warnings": [], '
        '"lab": "uml", "files": ["ab.txt"]}'
    )


@pytest.mark.parametrize("count", [-1, -(10**15), 10**15 + 1])
def test_a_count_is_none_below_zero(tmp_path: Path, count: int) -> None:
    write_list(tmp_path / "captures.json", [CAPTURE])
    text = (tmp_path / "captures.json").read_text()
    (tmp_path / "captures.json").write_text(text.replace("5836", str(count)))
    with pytest.raises(AnalysisError, match=f"captures.json: 'captured' is {count}, which is beyond all bounds"):
        read_captures(tmp_path)
