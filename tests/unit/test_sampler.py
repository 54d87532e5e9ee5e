"""What the sampler does between its samples: actions at their times, some of them again and again."""

from __future__ import annotations

import io
import time

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
