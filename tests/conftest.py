"""The toolkit's packages are imported before pytest puts folders of tests on the path: some have the same names."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

import analysis
import experiments
import testbed
import topologies
from testbed.signals import ENDING

PACKAGES = (analysis, experiments, testbed, topologies)

pytest_plugins = ("all_cores",)

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A machine may be slow, or busy with other tests."""
settings.register_profile("same", SLOW, derandomize=True)
settings.register_profile("deep", SLOW, max_examples=2000)
settings.load_profile("same")
# What is right today is right tomorrow; `make fuzz` (--hypothesis-profile=deep) looks for what else is wrong.


def pytest_sessionstart() -> None:
    # A folder without a file of its own (`tests/unit/analysis`) would be taken for a part of a package, and has none.
    assert all(package.__file__ for package in PACKAGES)
    # Started by `nohup`, the tests' own commands would ignore it, too, and tests of what it does wait for ever.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """A command that was interrupted ignores these signals to its end, and so would every later test's."""
    before = [(number, signal.getsignal(number)) for number in ENDING]
    yield
    for number, handler in before:
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)
