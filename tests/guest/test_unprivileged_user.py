"""A whole run by a user who is not root: the guest's root is that user outside."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.kernel.cache import default_cache

USER = "nobody"


def _may_run_python() -> bool:
    try:
        return subprocess.run([sys.executable, "-c", "import testbed"], cwd="/", user=USER, check=False).returncode == 0
    except PermissionError:
        return False


@pytest.fixture
def home(lab) -> Iterator[Path]:
    """A directory of the user's own, with a copy of the kernel cache; pytest's are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="unprivileged "))
    # The kernels alone: beside them there may be a whole system of `make test-debian13`, whose /dev/full has no end.
    shutil.copytree(default_cache().kernels, path / "cache" / "kernels", ignore=shutil.ignore_patterns(".*"))
    entry = pwd.getpwnam(USER)
    for made in [path, *path.rglob("*")]:
        os.chown(made, entry.pw_uid, entry.pw_gid)
    yield path
    shutil.rmtree(path)


@pytest.mark.skipif(os.getuid() != 0, reason="the other tests run as an unprivileged user already")
def test_a_run_needs_no_root(home: Path) -> None:
    if not _may_run_python():
        pytest.skip(f"{USER} may not read this checkout or its Python")
    argv = [str(Path(sys.executable).with_name("testbed")), "run", "fig07", "--out", str(home / "out")]
    argv += ["--set", "workload.sizes=100 KB", "--set", "workload.total=2 MB"]
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "TESTBED_CACHE": str(home / "cache")}
    group = pwd.getpwnam(USER).pw_gid
    done = subprocess.run(
        argv, cwd=home, env=env, user=USER, group=group, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    points = json.loads((home / "out" / "summary.json").read_text())["points"]
    assert [point["valid"] for point in points] == [True, True]
