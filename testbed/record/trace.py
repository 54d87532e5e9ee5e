"""What the kernel said of itself while a point ran, for points that ask for it (`[trace]`): `trace.txt`, `trace.json`.

A line of the text is one event, in the order in which they were: the time in nanoseconds since 1970 (`-`: none is
known), the event's name, and what the kernel prints of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from testbed.base import files
from testbed.base.errors import AnalysisError
from testbed.record import model, reading
from testbed.record.model import Counter, Record, Text, Texts

FILE, EVENTS = "trace.json", "trace.txt"

GROUPS = {
    "resets": ("tcp/tcp_send_reset",),
    "retransmissions": ("tcp/tcp_retransmit_skb",),
    "probes": ("tcp/tcp_probe",),
    "mptcp": (
        "mptcp/mptcp_subflow_get_send",
        "mptcp/mptcp_sendmsg_frag",
        "mptcp/get_mapping_status",
        "mptcp/ack_update_msk",
        "mptcp/subflow_check_data_avail",
    ),
}
"""What an experiment may ask for, and the kernel's events that it is."""

_LONGEST_LINE = 4096


class TraceRecord(Record):
    """`events` were recorded by `clock` into a buffer of so many bytes; `lost` of them did not fit into it."""

    clock: Text
    events: Texts
    buffer_bytes: Counter
    recorded: Counter
    lost: Counter


@dataclass(frozen=True)
class TraceEvent:
    """One event: its time (None: not known), its name, what the kernel said, by name."""

    time_ns: int | None
    name: str
    said: dict[str, str]


def read_trace(directory: Path) -> TraceRecord | None:
    """What was recorded, None for a point that has not asked for it; raises AnalysisError."""
    path = directory / FILE
    return model.read(TraceRecord, path) if reading.is_there(path) else None


def read_trace_events(directory: Path) -> Iterator[TraceEvent]:
    """The events in order; raises AnalysisError with the line that is none."""
    path = directory / EVENTS
    try:
        with files.open_regular(path) as file:
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), start=1):
                if len(line) == _LONGEST_LINE:
                    raise AnalysisError(f"{EVENTS}:{number}: longer than any event of a trace")
                yield _event(line.decode("ascii", "replace"), number)
    except OSError as error:
        raise AnalysisError(f"{EVENTS}: {error.strerror}") from error


def _event(line: str, number: int) -> TraceEvent:
    time_text, _, rest = line.rstrip("\n").partition(" ")
    name, _, text = rest.partition(" ")
    known = time_text != "-"
    if not name or (known and not (time_text.isdecimal() and len(time_text) < 20)):
        raise AnalysisError(f"{EVENTS}:{number}: not an event of a trace: {reading.shown(line.rstrip())}")
    said = dict(word.split("=", 1) for word in text.replace(",", " ").split() if "=" in word)
    return TraceEvent(int(time_text) if known else None, name, said)
