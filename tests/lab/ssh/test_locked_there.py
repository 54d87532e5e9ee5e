"""What pip puts on another machine is what the lock names, to the byte, whatever index is there or none."""

from __future__ import annotations

import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import ssh_host
from packaging.utils import canonicalize_name
from ssh_host import Host
from ssh_user import Here

from testbed import lock_file
from testbed.extras import DISTRIBUTION
from testbed.labs.ssh.wheel import RUNS_POINTS, pinned

LOCKED = lock_file.read(lock_file.PACKAGES) | lock_file.read(lock_file.BUILD_PACKAGES)


def installed(host: Host) -> dict[str, str]:
    """Name and version of every package in the toolkit's environment there."""
    (packages,) = (host.cache / "ssh" / "toolkits").glob("[!.]*/lib/python*/site-packages")
    return {canonicalize_name(each.metadata["Name"]): each.version for each in metadata.distributions(path=[packages])}


def assert_locked(found: dict[str, str]) -> None:
    # pip comes with the environment, from no index.
    assert found.pop("pip") and found.pop(DISTRIBUTION)
    assert found == {name: LOCKED[name].version for name in found}
    assert set(found) == set(pinned(RUNS_POINTS)) | {"setuptools"}


@pytest.mark.usefixtures("provided")
def test_a_machine_with_an_index_has_what_the_lock_names_and_nothing_else(host: Host) -> None:
    assert_locked(installed(host))


def test_a_machine_whose_index_has_other_bytes_and_no_index_gets_the_locks_from_here(
    here: Here, tmp_path: Path
) -> None:
    (index := tmp_path / "index").mkdir()
    name, version = "setuptools", LOCKED["setuptools"].version
    with zipfile.ZipFile(index / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        info = f"{name}-{version}.dist-info"
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}
    with ssh_host.running(tmp_path / "far", tmp_path / "far" / "cache", **settings) as alone:
        here.configure(alone, alone.port)
        done = here.testbed("exec", "--lab", "ssh:far", "--", "true")
        assert done.returncode == 0, done.stderr
        assert "the dependencies too" in done.stderr
        assert_locked(installed(alone))
        (theirs,) = (alone.cache / "ssh" / "toolkits").glob(f"[!.]*/lib/python*/site-packages/{name}/__init__.py")
        assert theirs.stat().st_size > 0
