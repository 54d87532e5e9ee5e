"""A director's checks: a real server on this machine is found well, one that is gone is found sick."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator

import pytest

from experiments import plan
from testbed.base.errors import UsageError
from testbed.health_check import Checker, HealthCheck
from testbed.net.netns import Node


@pytest.fixture
def checker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Checker]:
    """A checker in the namespace that the test is in, which nobody has to enter."""
    monkeypatch.setattr("testbed.net.netns._enter", lambda _namespace: None)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    yield Checker(port, HealthCheck(interval="1 s", failures=2, successes=2))


def checked(checker: Checker, *, listens: bool) -> list[str]:
    if not listens:
        return _asked(checker)
    with socket.create_server(("127.0.0.1", checker.port)):
        return _asked(checker)


def _asked(checker: Checker) -> list[str]:
    checker.ask(Node("here", os.getpid()), {"s1": "127.0.0.1"})
    time.sleep(0.05)
    return checker.answers()


def test_a_server_is_sick_after_so_many_failures_and_well_after_so_many_successes(checker: Checker) -> None:
    order = (True, False, False, False, True, True, True)
    assert [(listens, checked(checker, listens=listens)) for listens in order] == [
        (True, []), (False, []), (False, ["s1"]), (False, []), (True, []), (True, ["s1"]), (True, []),
    ]  # fmt: skip
    assert checker.sick == set()


def test_a_server_to_which_there_is_no_way_has_failed_at_once(checker: Checker) -> None:
    for _ in range(2):
        checker.ask(Node("here", os.getpid()), {"s1": "255.255.255.255"})  # no connection is ever tried there
        checker.answers()
    assert checker.sick == {"s1"}


def test_failures_between_successes_do_not_add_up(checker: Checker) -> None:
    assert [checked(checker, listens=listens) for listens in (False, True, False, True, False)] == [[]] * 5


def test_a_director_that_starts_knows_nobody_to_be_sick(checker: Checker) -> None:
    for _ in range(2):
        checked(checker, listens=False)
    assert checker.sick == {"s1"}
    checker.forget()
    assert checker.sick == set()
    assert checked(checker, listens=False) == []


def test_what_was_asked_before_a_director_starts_again_is_not_answered(checker: Checker) -> None:
    for _ in range(2):
        checker.ask(Node("here", os.getpid()), {"s1": "127.0.0.1"})
        time.sleep(0.05)
        checker.forget()
        assert checker.answers() == []
    assert checker.sick == set() and checker.verdicts == {}


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ('interval = "1 s", timeout = "1 s"', "timeout = 1 s must be shorter than interval = 1 s"),
        ('interval = "1 s", failures = 0', "director.health_check.failures must be at least 1, not 0"),
        ('timeout = "1 s"', "missing key 'interval' in [director.health_check]"),
        ('interval = "1 us"', "director.health_check.interval: 0.001 ms: checks come every 10 ms at most"),
        ("interval = 1", 'a duration is a text such as "20 ms"'),
    ],
)
def test_a_check_that_cannot_be_is_refused(check: str, message: str) -> None:
    experiment = plan.load(plan.find("fig07"))
    with pytest.raises(UsageError) as caught:
        plan.plan(experiment, overrides=[f"director.health_check={{ {check} }}"])
    assert message in str(caught.value)


def test_a_check_that_is_never_answered_is_refused() -> None:
    downloads = plan.load(plan.find("fig14"))
    with pytest.raises(UsageError) as caught:
        plan.plan(downloads, overrides=['director.health_check={ interval = "100 s" }'])
    assert "the first check is answered at 150 s, after the workload's end at 120 s" in str(caught.value)


def test_a_point_without_checks_says_nothing_of_them() -> None:
    (point, *_) = plan.plan(plan.load(plan.find("fig07")))
    assert "health_check" not in point.to_json()
    (checked, *_) = plan.plan(plan.load(plan.find("fig07")), overrides=['director.health_check={ interval = "2 s" }'])
    assert checked.parts["director"].settings["health_check"] == {"interval_s": 2.0, "failures": 2, "successes": 1}
