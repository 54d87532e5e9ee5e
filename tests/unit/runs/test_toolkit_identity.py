"""The toolkit's code has one identity, which changes with what can run in a lab and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.runs.toolkit_identity import toolkit_sha256


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("testbed/net/netem.py", "experiments/cli/run.py", "experiments/fig07.toml", "analysis/flows/joins.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("testbed/net/netem.py", True),
        ("experiments/fig07.toml", True),
        ("topologies/new.py", True),
        ("experiments/cli/run.py", False),
        ("experiments/__main__.py", False),
        ("analysis/flows/joins.py", False),
        ("testbed/net/netem.pyc", False),
        ("testbed/.cache", False),
    ],
)
def test_it_changes_with_what_can_run_in_a_lab(root: Path, name: str, changes: bool) -> None:
    before = toolkit_sha256(root)
    assert toolkit_sha256(root) == before
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text("other")
    assert (toolkit_sha256(root) != before) is changes


def test_it_changes_with_a_files_name(root: Path) -> None:
    before = toolkit_sha256(root)
    (root / "testbed/net/netem.py").rename(root / "testbed/net/tbf.py")
    assert toolkit_sha256(root) != before
