"""Signals that end a command: the first one does, and those after it do not interrupt what tidies up."""

from __future__ import annotations

import signal

import pytest

from testbed import signals
from testbed.labs.base import Cancel
from testbed.labs.terminal import ending_in_order
from testbed.runs.scheduler import cancel_on_signals
from testbed.signals import Interrupted, raised


def handlers() -> set[object]:
    return {signal.getsignal(number) for number in signals.ENDING}


def test_the_first_signal_raises_and_those_after_it_are_ignored() -> None:
    with pytest.raises(Interrupted, match=r"^interrupted by SIGTERM$"), raised():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGINT)
    assert handlers() == {signal.SIG_IGN}


def test_a_signal_that_was_obeyed_is_the_first() -> None:
    cancel = Cancel()
    with raised():
        with cancel_on_signals(cancel):
            signal.raise_signal(signal.SIGTERM)
        for number in signals.ENDING:
            signal.raise_signal(number)
    with pytest.raises(Exception, match=r"^interrupted by SIGTERM$"):
        cancel.raise_if_set()
    assert handlers() == {signal.SIG_IGN}


def test_a_prompt_that_was_closed_is_tidied_up_whatever_comes_then() -> None:
    with pytest.raises(SystemExit, match=r"^129$"), raised():
        try:
            with ending_in_order():
                try:
                    signal.raise_signal(signal.SIGHUP)
                finally:
                    signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGINT)


def test_without_a_signal_all_is_as_before() -> None:
    before = handlers()
    with raised(), cancel_on_signals(Cancel()):
        assert not handlers() & before
    assert handlers() == before
