"""What the sampler does between its samples: actions at their times, some of them again and again."""

from __future__ import annotations

import io
import time

import pytest

from testbed.net.netns import here
from testbed.sampler import Action, Sampler


def never_ends(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def test_an_action_that_recurs_comes_at_its_multiples_among_the_others() -> None:
    done: list[str] = []
    sampler = Sampler(io.StringIO(), here(), [])
    sampler.start()
    actions = [
        Action(0.25, lambda: done.append("once")),
        Action(0.1, lambda: done.append("again"), every_s=0.1),
    ]
    sampler.run(never_ends, actions=actions, until_s=0.45)
    assert done == ["again", "again", "once", "again", "again"]


def test_what_a_workload_ended_before_is_known_but_for_what_recurs() -> None:
    sampler = Sampler(io.StringIO(), here(), [])
    sampler.start()
    actions = [Action(0.0, lambda: None), Action(5.0, lambda: None), Action(1.0, lambda: None, every_s=1.0)]
    sampler.run(lambda seconds: seconds > 0, actions=actions)
    assert sampler.never_came == (5.0,)


class SlowClock:
    """A clock that moves where it is told to; `looks` counts how often it is read."""

    def __init__(self) -> None:
        self.t_s, self.looks = 0.0, 0

    def monotonic(self) -> float:
        self.looks += 1
        return self.t_s

    def move(self, seconds: float) -> bool:
        self.t_s += seconds
        return False


def checks(clock: SlowClock, sampler: Sampler, *, until_s: float) -> tuple[list[float], list[float]]:
    """When it asked every 250 ms, and judged 125 ms later, with an action in between that takes a second."""
    asked: list[float] = []
    judged: list[float] = []

    def ask() -> None:
        asked.append(clock.t_s)

    sampler.start()
    actions = [
        Action(0.3125, lambda: clock.move(1.0) and None),
        Action(0.25, ask, every_s=0.25),
        Action(0.375, lambda: judged.append(clock.t_s), every_s=0.25, answers=ask),
    ]
    sampler.run(clock.move, actions=actions, until_s=until_s)
    return asked, judged


def test_in_real_time_an_answer_has_its_whole_time_after_a_late_question(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SlowClock()
    monkeypatch.setattr("testbed.sampler.time", clock)
    sampler = Sampler(io.StringIO(), here(), [], real=True)
    asked, judged = checks(clock, sampler, until_s=1.9)
    assert asked == [0.25, 1.3125, 1.5, 1.75]
    assert judged == [1.3125, 1.4375, 1.625, 1.875]


def test_in_virtual_time_the_clock_is_looked_at_as_often_as_the_loop_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SlowClock()
    monkeypatch.setattr("testbed.sampler.time", clock)
    asked, judged = checks(clock, Sampler(io.StringIO(), here(), []), until_s=1.9)
    assert asked == [0.25, 1.3125, 1.3125, 1.3125, 1.3125, 1.5, 1.75]
    assert judged == [1.3125, 1.3125, 1.3125, 1.3125, 1.375, 1.625, 1.875]
    # Two for the beginning, one a turn, and one for the sample at 1 s.
    assert clock.looks == 2 + 16 + 1
