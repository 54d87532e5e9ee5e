"""The toolkit's packages are imported before pytest puts folders of tests on the path: some have the same names."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

import analysis
import experiments
import testbed
import topologies

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
