"""What changes of the servers broke, how even the load was, and how long it took until the goodput was back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from analysis.flows.series import Window
from analysis.summary.balancing import balancing, recovery_s
from analysis.summary.model import Balancing
from testbed.record.events import Event

WINDOW = Window(start_ns=0, duration_s=15.0, ended=True)
REMOVED = Event(t=6.0, event="server-removed", server="s1")
STARTED, ENDED = Event(t=0.0, event="workload-started", epoch_s=0.0), Event(t=15.0, event="workload-ended")
NOTHING = np.zeros(0, np.int64), np.zeros(0, np.int64)


def download(server: str | None = "s1", *, syn_s: float = 1.0, **changes: Any) -> dict[str, Any]:
    """A connection that was closed in order after five seconds."""
    end = {
        "join_confirmed_s": None,
        "last_new_data_s": syn_s + 5,
        "end": "closed",
        "end_s": syn_s + 5,
        "survived": True,
        "bytes_to_client": 1000,
        "bytes_to_server": 100,
        "distinct_to_client": 1000,
    }
    return {"server": server, "syn_s": syn_s, **end, **changes}


def judged(*downloads: dict[str, Any], events: tuple[Event, ...] = (STARTED, REMOVED, ENDED)) -> Balancing:
    return balancing(
        pa.Table.from_pylist(list(downloads)),
        servers=["s1", "s2"],
        events=events,
        window=WINDOW,
        arrived=NOTHING,
        object_bytes=900,
    )


RESET = {"end": "reset", "end_s": 6.01, "survived": False, "last_new_data_s": 6.0}
STALLED = {"end": "open", "end_s": None, "last_new_data_s": 6.0}
SLOW = {"end": "open", "end_s": None, "last_new_data_s": 14.9}
REFUSED = {"end": "refused", "end_s": 7.0, "survived": False, "last_new_data_s": None}
SHORT = {"end_s": 6.01, "distinct_to_client": 500}
UNUSED = {"bytes_to_server": 0, "distinct_to_client": 0}
UNANSWERED = {"end": "unanswered", "end_s": None, "survived": False, "last_new_data_s": None}


@pytest.mark.parametrize(
    ("what", "broken"),
    [({}, 0), (RESET, 1), (STALLED, 1), (SLOW, 0), (REFUSED, 1), (UNANSWERED, 1), (SHORT, 1), (UNUSED, 0)],
)
def test_a_download_is_broken_if_it_was_reset_refused_cut_short_or_stands_still(
    what: dict[str, Any], broken: int
) -> None:
    found = judged(download(syn_s=5.9, **{"end_s": 10.9, **what}))
    (change,) = found.changes
    assert found.broken == broken == change.broken and change.broken_new == found.broken_before == 0


def test_a_connection_that_has_only_just_been_asked_for_at_the_end_is_not_broken() -> None:
    assert judged(download(syn_s=14.5, **UNANSWERED)).broken == 0


def test_what_ends_with_the_workload_is_not_broken_by_it() -> None:
    cut_off = {"end": "open", "end_s": 15.1, "last_new_data_s": 14.99}
    assert judged(download(syn_s=10, **cut_off)).broken == 0


def test_each_broken_download_belongs_to_the_change_before_it() -> None:
    added = Event(t=9.0, event="server-added", server="s1")
    early = {**RESET, "end_s": 2.0}
    late = {**RESET, "end_s": 9.5}
    found = judged(
        download(**early), download(**RESET), download(**RESET), download(**late), events=(REMOVED, added, ENDED)
    )
    assert [(change.event, change.node, change.broken) for change in found.changes] == [
        ("server-removed", "s1", 2),
        ("server-added", "s1", 1),
    ]
    assert (found.broken, found.broken_before, found.under_way) == (4, 1, 3)


def test_a_download_that_began_after_the_change_is_counted_apart_from_those_under_way() -> None:
    (change,) = judged(download(**RESET), download(syn_s=7.0, **STALLED), download(syn_s=7.0, **REFUSED)).changes
    assert (change.broken, change.broken_new) == (1, 2)


def test_those_whose_second_subflow_was_confirmed_at_the_change_are_known() -> None:
    soon, late = {"join_confirmed_s": 1.1}, {"join_confirmed_s": 6.5}
    found = judged(download(**RESET, **soon), download(**RESET, **late), download(**soon), download("s2", **RESET))
    assert (found.changes[0].broken, found.changes[0].broken_joined) == (3, 1)
    assert (found.under_way, found.joined) == (4, 2)


def test_imbalance_is_the_largest_over_the_mean_of_what_was_opened_before_the_change() -> None:
    found = judged(
        download("s1"), download("s1"), download("s1"), download("s2", bytes_to_client=9000), download("s2", syn_s=8.0)
    )
    assert found.imbalance_connections == pytest.approx(3 / 2)
    assert found.imbalance_bytes == pytest.approx(9000 / 6000)


def test_a_server_that_is_out_from_the_beginning_does_not_count_and_its_removal_is_no_change() -> None:
    out = Event(t=0.000013, event="server-removed", server="s2")
    added = Event(t=6.0, event="server-added", server="s2")
    found = judged(download("s1"), download("s1"), events=(STARTED, out, added, ENDED))
    assert found.imbalance_connections == 1
    assert [change.event for change in found.changes] == ["server-added"]


def test_the_imbalance_is_not_told_where_a_connections_server_is_not_known() -> None:
    assert judged(download(None), download("s1")).imbalance_connections is None


def arriving(rate_of: dict[tuple[float, float], float]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A packet every millisecond, at so many bytes in each stretch of seconds."""
    times = np.arange(15_000, dtype=np.int64)
    payload = np.zeros(15_000, np.int64)
    for (begin, end), size in rate_of.items():
        payload[int(begin * 1000) : int(end * 1000)] = int(size)
    return times * 1_000_000, payload


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({(0, 15): 100}, 0.0),
        ({(0, 6): 100, (6, 8): 10, (8, 15): 100}, 1.95),
        ({(0, 6): 100, (6, 15): 90}, None),
        ({(0, 3.5): 100, (3.5, 4.5): 80, (4.5, 6): 100, (6, 15): 80}, 0.0),
        ({(0, 7): 100, (7, 8): 0, (8, 15): 100}, 1.95),
    ],
)
def test_the_goodput_is_back_when_a_whole_second_has_95_percent_of_what_it_was(
    rates: dict[tuple[float, float], float], expected: float | None
) -> None:
    found = recovery_s(*arriving(rates), window=WINDOW, at_s=6.0)
    assert found == (None if expected is None else pytest.approx(expected, abs=0.02))


def test_a_change_in_the_last_second_leaves_no_time_to_judge() -> None:
    assert recovery_s(*arriving({(0, 15): 100}), window=WINDOW, at_s=14.5) is None
