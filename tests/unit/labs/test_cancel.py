"""The flag that ends what waits: a signal may come at any moment, and its handler sets it or raises."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

import pytest

from testbed.base.errors import RunInterrupted
from testbed.labs.base import Cancel


class CameAtABadTimeError(Exception):
    """What a handler raises."""


@pytest.fixture
def timer() -> Iterator[None]:
    """SIGALRM is the test's own."""
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("timer")
@pytest.mark.timeout(60)
def test_a_handler_may_set_it_wherever_it_interrupts() -> None:
    for moment in range(300):
        cancel = Cancel()
        signal.signal(signal.SIGALRM, lambda _number, _frame, cancel=cancel: cancel.set())
        signal.setitimer(signal.ITIMER_REAL, 1e-6 * (moment + 1))
        while not cancel.wait(1e-5):
            pass
        with pytest.raises(RunInterrupted, match="interrupted"):
            cancel.raise_if_set()


@pytest.mark.usefixtures("timer")
@pytest.mark.timeout(60)
def test_a_handler_may_raise_wherever_it_interrupts_and_the_flag_works_on() -> None:
    def handler(_number: int, _frame: FrameType | None) -> None:
        raise CameAtABadTimeError

    signal.signal(signal.SIGALRM, handler)
    for moment in range(300):
        cancel = Cancel()
        with pytest.raises(CameAtABadTimeError):
            signal.setitimer(signal.ITIMER_REAL, 1e-6 * (moment + 1))
            while True:
                cancel.wait(1e-5)
        assert not cancel.wait(0)
        cancel.set("why")
        assert cancel.wait(10)


def test_everybody_who_waits_is_woken_and_the_first_reason_counts() -> None:
    cancel = Cancel()
    ended: list[bool] = []
    waiting = [threading.Thread(target=lambda: ended.append(cancel.wait(30))) for _ in range(3)]
    for each in waiting:
        each.start()
    began = time.monotonic()
    cancel.set("first")
    cancel.set("second")
    for each in waiting:
        each.join()
    assert ended == [True, True, True] and time.monotonic() - began < 5
    with pytest.raises(RunInterrupted, match="first"):
        cancel.raise_if_set()
