"""What another machine is told to install: locked packages that run here, each with its hashes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from testbed import lock_file
from testbed.base.errors import PrerequisiteError
from testbed.labs.ssh import requirements
from testbed.labs.ssh.remote import layout
from testbed.labs.ssh.wheel import RUNS_POINTS, pinned


def test_all_that_the_toolkit_needs_is_named_with_its_hashes_and_nothing_for_tests_alone(tmp_path: Path) -> None:
    files = requirements.locked(pinned(RUNS_POINTS))
    assert set(files) == {layout.BUILDERS, layout.PACKAGES}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    packages = lock_file.read(tmp_path / layout.PACKAGES)
    whole = lock_file.read(lock_file.PACKAGES)
    assert {name: entry.version for name, entry in packages.items()} == pinned(RUNS_POINTS)
    assert {name: entry.line() for name, entry in packages.items()} == {name: whole[name].line() for name in packages}
    assert "pytest" in whole and "pytest" not in packages
    builders = lock_file.read(tmp_path / layout.BUILDERS)
    assert builders == lock_file.read(lock_file.BUILD_PACKAGES) and "setuptools" in builders


@pytest.mark.parametrize(
    ("versions", "complaint"),
    [
        ({"click": "8.1.0"}, r"click 8\.1\.0 is not what another machine would get: the lock has \d"),
        ({"no-such-package": "1"}, "no-such-package 1 .*: the lock does not have it"),
    ],
)
def test_what_is_not_the_locked_version_is_refused(versions: dict[str, str], complaint: str) -> None:
    with pytest.raises(PrerequisiteError, match=complaint) as refused:
        requirements.locked({**pinned(RUNS_POINTS), **versions})
    assert re.search("make venv", refused.value.hint or "")
