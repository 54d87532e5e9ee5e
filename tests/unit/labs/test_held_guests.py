"""Guests are held all together, and go on when nobody holds them any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from testbed.base.errors import GuestTimeout
from testbed.holding import state
from testbed.labs.held_guests import HeldGuests
from testbed.process import wait_until
from testbed.reaped_process import ReapedProcess

IsHeld = Callable[[], bool]


@pytest.fixture
def guests() -> HeldGuests:
    return HeldGuests()


@pytest.fixture
def start(guests: HeldGuests, tmp_path: Path) -> Iterator[Callable[[int], IsHeld]]:
    """Starts a guest of a number of its own; the function that it returns says whether it stands still."""
    with (tmp_path / "log").open("wb") as log, ExitStack() as stack:

        def start(number: int) -> IsHeld:
            name = tmp_path / f"pid-{number}"
            program = ["sh", "-c", f"echo $$ > {name}.part; mv {name}.part {name}; exec sleep 600"]
            process = ReapedProcess(program, stdout=log, stderr=log)
            stack.callback(process.release)
            wait_until(name.exists, "the program", timeout_s=30)
            stack.enter_context(guests.running(process))
            pid = int(name.read_text())
            return lambda: state(pid) == "T"

        yield start


def become(wanted: bool, *guests: IsHeld) -> None:
    wait_until(lambda: all(each() == wanted for each in guests), f"held: {wanted}", timeout_s=30)


def test_all_stand_still_and_go_on_together(guests: HeldGuests, start: Callable[[int], IsHeld]) -> None:
    first, second = start(0), start(1)
    with guests.holding():
        become(True, first, second)
    become(False, first, second)


def test_who_starts_meanwhile_stands_still(guests: HeldGuests, start: Callable[[int], IsHeld]) -> None:
    with guests.holding():
        first = start(0)
        become(True, first)
    become(False, first)


def test_nobody_goes_on_while_another_holds_it(guests: HeldGuests, start: Callable[[int], IsHeld]) -> None:
    first = start(0)
    with guests.holding():
        with guests.holding():
            become(True, first)
        with pytest.raises(GuestTimeout, match="held: False"):
            wait_until(lambda: not first(), "held: False", timeout_s=0.5)
    become(False, first)
