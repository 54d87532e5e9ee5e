from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from importlib import metadata

import pytest

from testbed.base.errors import PrerequisiteError
from testbed.labs.ssh import wheel


def unzipped(packed: wheel.Wheel) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_same_content_is_the_same_bytes_in_whatever_order() -> None:
    one = wheel.pack({"a/b.py": b"1", "a/a.py": b"2"}, "1.0", {"x": "1", "y": "2"})
    two = wheel.pack({"a/a.py": b"2", "a/b.py": b"1"}, "1.0", {"y": "2", "x": "1"})
    assert one == two
    assert one.sha256 == hashlib.sha256(one.content).hexdigest()
    assert wheel.pack({"a/a.py": b"2", "a/b.py": b"!"}, "1.0", {"x": "1", "y": "2"}).sha256 != one.sha256
    assert wheel.pack({"a/a.py": b"2", "a/b.py": b"1"}, "1.0", {"x": "1", "y": "3"}).sha256 != one.sha256


def test_the_record_has_the_digest_of_every_file() -> None:
    files = unzipped(wheel.pack({"a/b.py": b"1"}, "1.0", {}))
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"1").digest()).rstrip(b"=").decode()
    record = files["mptcp_lb_testbed-1.0.dist-info/RECORD"].decode().splitlines()
    assert record[0] == f"a/b.py,sha256={digest},1"
    assert {line.split(",")[0] for line in record} == set(files)


def test_the_toolkit_is_packed_with_its_data_and_the_versions_that_run_here() -> None:
    packed = wheel.toolkit()
    files = unzipped(packed)
    assert packed.name == "mptcp_lb_testbed-0.1.0-py3-none-any.whl"
    for name in ("testbed/labs/guest_init.sh", "testbed/debian-packages.txt", "experiments/fig07.toml"):
        assert name in files
    assert not [name for name in files if name.endswith(".pyc") or name.startswith("tests")]
    needs = files["mptcp_lb_testbed-0.1.0.dist-info/METADATA"].decode().splitlines()
    assert "Requires-Dist: mininet==2.3.0.dev6" in needs
    assert f"Requires-Dist: setuptools=={metadata.version('setuptools')}" in needs
    assert f"Requires-Dist: numpy=={metadata.version('numpy')}" in needs
    assert f"Requires-Dist: contourpy=={metadata.version('contourpy')}" in needs  # what matplotlib needs in turn
    assert not [line for line in needs if "paramiko" in line]  # it is not from there that others are reached
    assert not [line for line in needs if "pytest" in line or "mptcp" in line.removeprefix("Name: mptcp")]


def test_a_missing_dependency_is_named() -> None:
    with pytest.raises(PrerequisiteError, match="no-such-package-of-ours is not installed"):
        wheel.pinned("no-such-package-of-ours")
