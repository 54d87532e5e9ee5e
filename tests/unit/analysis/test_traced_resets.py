"""The RSTs behind each change, counted from the table of RSTs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from claim_points import changes_of_the_servers, timeline
from table_maker import tables

from analysis.claims import anycast
from analysis.summary.traced_resets import with_traced_resets

REMOVED_S1: dict[str, Any] = {"churn": "removed", "churn_server": "s1", "churn_t_s": 10.0}
ADDED_S1: dict[str, Any] = {"churn": "added", "churn_server": "s1", "churn_t_s": 15.0}


def reset(**fields: Any) -> dict[str, Any]:
    return {"in_workload": True, "direction": "to-client", **fields}


def resets_of_changes(*rows: dict[str, Any]) -> dict[tuple[float, str], int | None]:
    table = tables(resets=list(rows))["resets"]
    point = timeline("13")
    assert point.per_second is not None
    bare = replace(point, per_second=replace(point.per_second, churn=changes_of_the_servers()))
    series = with_traced_resets(bare, table).per_second
    assert series is not None
    return {(change.t, change.event): change.resets for change in series.churn if change.resets or change.t <= 15}


def test_each_change_has_the_resets_that_the_table_traces_to_it() -> None:
    found = resets_of_changes(reset(**REMOVED_S1), reset(**REMOVED_S1, t_s=21.0), reset(**ADDED_S1))
    assert found == {(10.0, anycast.REMOVED): 2, (15.0, anycast.ADDED): 1}


def test_a_reset_of_no_change_to_the_server_or_after_the_end_is_of_none() -> None:
    found = resets_of_changes(
        reset(), reset(**REMOVED_S1, direction="to-server"), reset(**REMOVED_S1, in_workload=False)
    )
    assert found == {(10.0, anycast.REMOVED): 0, (15.0, anycast.ADDED): 0}


def test_a_point_without_values_per_second_stays_as_it_is() -> None:
    point = timeline("13", per_second=None)
    assert with_traced_resets(point, tables(resets=[reset(**REMOVED_S1)])["resets"]) == point
