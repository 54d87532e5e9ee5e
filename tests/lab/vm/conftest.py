"""Fixtures of the lab VM: built once, really, with this machine's Debian packages, in a directory of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab_vm import Vm


@pytest.fixture(scope="session")
def vm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vm]:
    """The machine, built and not started; all of it is gone at the end."""
    folder = tmp_path_factory.mktemp("vm lab")
    made = Vm(folder / "the state", folder / "work")
    (made.work / "tmp").mkdir(parents=True)
    made.ok("vm", "build")
    yield made
    made.ok("vm", "destroy", "--force")
    assert not made.folder.exists() and made.processes() == {}
