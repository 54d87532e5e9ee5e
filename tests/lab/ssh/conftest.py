"""Fixtures of the ssh lab: a real sshd on loopback, and a user here whose home knows it.

The toolkit is really sent and installed there, once for all tests. The other side's cache and home are apart from
ours; the machine is the same, so the tests may look at its processes and files.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import ssh_host
from openssh_and_lab import Both
from ssh_host import Host, Wire
from ssh_user import Here, a_user

from testbed.kernel import selection
from testbed.labs.ssh import openssh


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/lab/ssh" in str(item.path):
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("far")
    with ssh_host.running(folder, folder / "far cache") as running:
        yield running


@pytest.fixture(scope="session")
def provided(host: Host, tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """The first visit: toolkit and kernel are sent."""
    selection.current()
    user = a_user(tmp_path_factory.mktemp("first"))
    user.configure(host, host.port)
    done = user.testbed("exec", "--lab", "ssh:far", "--", "uname", "-r")
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def here(host: Host, tmp_path: Path) -> Here:
    """A user who can reach the host."""
    user = a_user(tmp_path)
    user.configure(host, host.port)
    return user


@pytest.fixture
def wire(host: Host) -> Iterator[Wire]:
    """A wire to the host that can be cut."""
    wire = Wire(host.port)
    yield wire
    wire.close()


@pytest.fixture
def both(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Both:
    monkeypatch.setenv(openssh.CONFIGURATION, str(tmp_path / "config"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return Both(host, tmp_path)
