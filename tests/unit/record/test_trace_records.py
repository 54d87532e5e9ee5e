"""What the kernel said while a point ran: which points ask for it, and what of its file is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from experiments import plan
from testbed.base.errors import AnalysisError, UsageError
from testbed.record.point import Point
from testbed.record.trace import read_trace, read_trace_events
from testbed.tools.kernel_trace import _timed

LINE = "          <idle>-0       [000] ..s2.    {clock}: {event}: {text}\n"


def test_a_point_says_that_it_is_traced_only_where_it_is() -> None:
    experiment = plan.load(plan.find("fig13"))
    without = plan.plan(experiment)[0]
    assert "trace" not in without.to_json()
    asking = plan.plan(experiment, overrides=['trace.events=["resets"]', "trace.buffer=8 MB"])[0]
    assert asking.id == without.id
    again = Point.from_json(asking.to_json()).trace
    assert again is not None and (again.events, again.buffer_bytes, again.servers) == (["resets"], 8_000_000, False)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ('trace.events=["reset"]', "is not one of resets, retransmissions, probes, mptcp"),
        ("trace.buffer=1 KB", "a trace's buffer has 1 MB at least, 2000 MB at most"),
    ],
)
def test_what_cannot_be_traced_is_refused_in_one_line(override: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan.plan(plan.load(plan.find("fig13")), overrides=[override])


def test_events_have_the_time_of_the_last_timer_before_them() -> None:
    said = [
        LINE.format(clock=1, event="tcp_send_reset", text="src=10.0.1.2:1 dest=10.0.1.3:2 reason=NO_SOCKET"),
        LINE.format(clock=2, event="hrtimer_expire_entry", text="hrtimer=00000000 function=qdisc_watchdog now=5000"),
        LINE.format(clock=3, event="hrtimer_expire_entry", text="hrtimer=00 function=alarm now=1507593602100844544"),
        LINE.format(clock=4, event="tcp_send_reset", text="src=10.0.1.2:1 dest=10.0.1.3:2 reason=TCP_FLAGS"),
        LINE.format(clock=5, event="sched_switch", text="prev_comm=ab"),
        "# a comment\n",
        LINE.format(clock="2.000001", event="tcp_send_reset", text="reason=TCP_FLAGS"),
    ]
    assert list(_timed(said, {"tcp_send_reset"}, 10**18)) == [
        "- tcp_send_reset src=10.0.1.2:1 dest=10.0.1.3:2 reason=NO_SOCKET\n",
        "1000000000000005000 tcp_send_reset src=10.0.1.2:1 dest=10.0.1.3:2 reason=TCP_FLAGS\n",
        "1000000002000001000 tcp_send_reset reason=TCP_FLAGS\n",
    ]


def test_a_line_that_is_no_event_is_named(tmp_path: Path) -> None:
    assert read_trace(tmp_path) is None
    (tmp_path / "trace.txt").write_text("17 tcp_probe snd_cwnd=10, family=AF_INET\nyesterday tcp_probe\n")
    events = read_trace_events(tmp_path)
    first = next(events)
    assert (first.time_ns, first.name, first.said) == (17, "tcp_probe", {"snd_cwnd": "10", "family": "AF_INET"})
    with pytest.raises(AnalysisError, match=r"trace\.txt:2: not an event of a trace: 'yesterday tcp_probe'"):
        next(events)


def test_what_is_no_trace_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "trace.txt").write_text("17 tcp_probe " + 5000 * "x")
    with pytest.raises(AnalysisError, match=r"trace\.txt:1: longer than any event of a trace"):
        list(read_trace_events(tmp_path))
    (tmp_path / "trace.txt").unlink()
    os.mkfifo(tmp_path / "trace.txt")
    with pytest.raises(AnalysisError, match=r"trace\.txt: not a regular file"):
        list(read_trace_events(tmp_path))
