"""Fixtures that boot the real embedded lab; without the kernel of the claims they fail, and say the cure.

A module whose tests are about the kernel takes `every_lab` for its `lab`: each of them runs once per release, and is
skipped for a release beside the default one that is not built.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from guest_points import ANYCAST

from experiments import api
from testbed.kernel import build
from testbed.kernel.cache import default_cache
from testbed.kernel.release import DEFAULT, RELEASES, Release
from testbed.labs.base import Cancel, Clock, Job, JobResult
from testbed.labs.uml import UmlLab
from testbed.tools import large_reads

_NOT_BUILT = "is not built"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/guest" in str(item.path):
            item.add_marker(pytest.mark.guest)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(
        each.longrepr[2].removeprefix("Skipped: ") for each in skipped if _NOT_BUILT in str(each.longrepr)
    )
    for reason, count in reasons.items():
        terminalreporter.write_line(f"NOT TESTED: {reason} ({count} tests)", yellow=True)


def lab_of(release: Release) -> UmlLab:
    kernel = build.find(release=release)
    if kernel is not None:
        large_reads.ensure(default_cache())
        return UmlLab(kernel.image)
    if release == DEFAULT:
        pytest.fail("no lab kernel: run 'testbed kernel build'")
    pytest.skip(f"Linux {release.name} {_NOT_BUILT}: 'testbed kernel build --release {release.name}' builds it")


@pytest.fixture(scope="session")
def lab() -> UmlLab:
    return lab_of(DEFAULT)


@pytest.fixture(scope="session")
def anycast_run(lab: UmlLab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of Figs. 13 and 14 in short, which nobody changes: one point of each, with a change of the pool."""
    out = tmp_path_factory.mktemp("anycast") / "run"
    points = api.plan(["fig13", "fig14"], overrides=ANYCAST)
    assert [point.figure for point in points] == ["13", "14"]
    api.run(points, out=out).require_valid()
    return out


@pytest.fixture(scope="session", params=RELEASES.values(), ids=list(RELEASES))
def release(request: pytest.FixtureRequest) -> Release:
    found: Release = request.param
    return found


@pytest.fixture(scope="session")
def every_lab(release: Release) -> UmlLab:
    return lab_of(release)


@dataclass
class Outcome:
    """What a command in a guest printed and how it ended."""

    result: JobResult
    stdout: bytes
    stderr: bytes
    output: Path


@dataclass
class Guest:
    """Runs commands in guests, each with an output directory of its own."""

    lab: UmlLab
    directory: Path
    count: int = field(default=0)

    def __call__(
        self,
        *argv: str,
        clock: Clock = "virtual",
        clock_limit_s: float = 3600,
        wall_limit_s: float = 120,
        cancel: Cancel | None = None,
        stdin: Path | None = None,
    ) -> Outcome:
        self.count += 1
        output = self.directory / f"out {self.count}"
        output.mkdir()
        out, err = bytearray(), bytearray()
        job = Job(argv, output, clock=clock, clock_limit_s=clock_limit_s, wall_limit_s=wall_limit_s, stdin=stdin)
        result = self.lab.run(job, stdout=out.extend, stderr=err.extend, cancel=cancel)
        return Outcome(result, bytes(out), bytes(err), output)

    def python(self, code: str, **limits: float) -> Outcome:
        return self(sys.executable, "-c", code, **limits)  # type: ignore[arg-type]


@pytest.fixture
def guest(lab: UmlLab, tmp_path: Path) -> Guest:
    return Guest(lab, tmp_path)
