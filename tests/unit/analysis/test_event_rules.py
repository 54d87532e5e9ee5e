"""Events that make no sense make a point invalid, with the reason; those of a user's own part do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import run_maker as runs
from point_changes import tamper

from analysis.summary.of_point import analyse_point

Events = list[dict[str, Any]]

NONSENSE: dict[str, tuple[Callable[[Events], object], str]] = {
    "two starts": (
        lambda e: e.insert(1, e[0] | {"t": 0.0}),
        "events.jsonl: 'workload-started' comes 2 times",
    ),
    "two ends": (lambda e: e.append(e[-1] | {"t": 4.4}), "events.jsonl: 'workload-ended' comes 2 times"),
    "a start that is not zero": (
        lambda e: e[0].update(t=0.5),
        "events.jsonl: 'workload-started' comes at 0.5 s, and not at 0",
    ),
    "an end before the start": (
        lambda e: e[-1].update(t=-1.0),
        "events.jsonl:4: 't' is -1.0, which is beyond all bounds",
    ),
    "an unknown event": (
        lambda e: e[1].update(event="server-remved"),
        "events.jsonl: at 1 s: no such event: 'server-remved'",
    ),
    "an unknown server": (
        lambda e: e[1].update(server="s9"),
        "events.jsonl: at 1 s: 'server-removed' is about server 's9', which the point does not have",
    ),
    "no server": (lambda e: e[1].pop("server"), "events.jsonl: at 1 s: 'server-removed' is about no server"),
    "a start after all packets": (
        lambda e: e[0].update(epoch_s=float(runs.START_S + 60)),
        "events.jsonl: no packet was captured in the 4 s of the workload",
    ),
    "a start after the SYNs": (
        lambda e: e[0].update(epoch_s=float(runs.START_S + 1)),
        "events.jsonl: 1 of 1 SYNs came before or after the 4 s of the workload",
    ),
}


def change_events(directory: Path, change: Callable[[Events], object]) -> None:
    path = directory / "events.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()]
    change(events)
    path.write_text("".join(json.dumps(event) + "\n" for event in events))


@pytest.mark.parametrize("name", NONSENSE)
def test_events_without_sense_are_the_one_reason_why_a_point_is_invalid(tmp_path: Path, name: str) -> None:
    change, reason = NONSENSE[name]
    directory = runs.anycast_point(tmp_path / "p")
    assert analyse_point(directory).valid
    change_events(directory, change)
    found = analyse_point(directory)
    assert (found.valid, found.invalid_reasons) == (False, (reason,))


def test_a_start_a_second_early_of_a_short_workload_is_seen(tmp_path: Path) -> None:
    directory = runs.load_balancer_point(tmp_path / "p")
    change_events(directory, lambda events: events[0].update(epoch_s=float(runs.START_S - 1)))
    assert analyse_point(directory).invalid_reasons == (
        "events.jsonl: no packet was captured in the 0.25 s of the workload",
    )


def test_a_users_own_part_may_note_events_of_its_own_and_load_pages_before(tmp_path: Path) -> None:
    directory = runs.anycast_point(tmp_path / "p")
    change_events(directory, lambda events: events.insert(1, {"t": 0.5, "event": "mood-changed"}))
    change_events(directory, lambda events: events[0].update(epoch_s=float(runs.START_S + 1)))
    assert len(analyse_point(directory).invalid_reasons) == 2
    parts = json.loads((directory / "point.json").read_text())["parts"]
    tamper(directory, "point.json", parts=parts | {"workload": parts["workload"] | {"sha256": "0" * 64}})
    assert analyse_point(directory).invalid_reasons == ()
