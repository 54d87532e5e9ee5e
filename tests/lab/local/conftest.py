"""Fixtures of the local lab; what it needs and a machine may lack is root, and features of its kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lab_page import Cli, commands

from testbed.labs.local.lab import LocalLab
from testbed.net import ipvs, mptcp, routing
from topologies import links


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/lab/local" in str(item.path):
            item.add_marker(pytest.mark.lab)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="the local lab needs root"))


@pytest.fixture(scope="session")
def missing() -> dict[str, str]:
    """What this machine's kernel lacks of what the tests need, by the lab's own probes."""
    wanted = {links.VETH, links.TBF, links.NETEM, ipvs.NEED, routing.MULTIPATH, *routing.HASH, *mptcp.NEEDS}
    return {finding.name: finding.error for finding in LocalLab().probe(wanted) if not finding.ok}


@pytest.fixture
def anycast_kernel(missing: dict[str, str]) -> None:
    """Skips on a kernel that the anycast point cannot run on."""
    if lacks := sorted(set(missing) - {"netem", "IPVS"}):
        pytest.skip(f"this kernel lacks {', '.join(lacks)}")


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Runs `testbed ...` in a directory of its own."""

    def run(*args: str, **more: object) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "experiments", *args],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            **more,  # type: ignore[call-overload]
        )
        assert isinstance(done, subprocess.CompletedProcess)
        return done

    return run


@pytest.fixture(scope="session")
def page() -> dict[str, list[str]]:
    """What docs/labs/local.md tells the reader to type."""
    return commands()
