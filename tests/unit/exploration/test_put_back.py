"""What an exploration takes back after a case: what was done, and what was done for a change that never came."""

from __future__ import annotations

import pytest

from experiments.exploration.cases import EXPLORED, put_back
from testbed.record.events import Kind
from testbed.record.exploration import Change


def change(event: Kind) -> Change:
    return Change(event=event, at_s=1.0, server="s1", director=1, places=1, link="r1-r2")


@pytest.mark.parametrize(
    ("event", "came", "never_came"),
    [
        ("server-removed", ["server-added"], []),
        ("server-drained", ["server-added"], []),
        ("server-crashed", ["server-back"], []),
        ("director-lost", ["director-back"], []),
        ("path-flipped", ["path-flipped"], []),
        ("link-down", ["link-up"], []),
        ("link-silent", ["link-up"], []),
        ("server-added", [], ["server-added"]),  # it was removed for it
        ("server-back", [], ["server-back"]),
        ("director-back", [], ["director-back"]),
        ("director-restarted", [], []),
    ],
)
def test_a_change(event: Kind, came: list[Kind], never_came: list[Kind]) -> None:
    one = change(event)
    assert [each for each, _ in put_back([one], [one])] == came
    assert [each for each, _ in put_back([one], [])] == never_came


def test_the_last_one_is_taken_back_first_and_equal_changes_are_two() -> None:
    first, second, third = change("path-flipped"), change("path-flipped"), change("server-removed")
    assert put_back([first, second, third], [first, third]) == [("server-added", third), ("path-flipped", first)]


def test_every_change_that_can_be_explored_is_tried_here() -> None:
    (mark,) = test_a_change.pytestmark  # type: ignore[attr-defined]
    assert {event for event, *_ in mark.args[1]} == EXPLORED
