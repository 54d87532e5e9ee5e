"""The toolkit's packages are imported before pytest puts folders of tests on the path: some have the same names."""

from __future__ import annotations

import signal

import analysis
import experiments
import testbed
import topologies

PACKAGES = (analysis, experiments, testbed, topologies)

pytest_plugins = ("all_cores",)


def pytest_sessionstart() -> None:
    # A folder without a file of its own (`tests/unit/analysis`) would be taken for a part of a package, and has none.
    assert all(package.__file__ for package in PACKAGES)
    # Started by `nohup`, the tests' own commands would ignore it, too, and tests of what it does wait for ever.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
