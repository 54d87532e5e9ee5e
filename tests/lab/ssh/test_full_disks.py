"""A full disk, there or here, is one line; the job's status and what it printed come back all the same."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ssh_host import Host
from ssh_user import Here

pytestmark = [
    pytest.mark.usefixtures("provided"),
    pytest.mark.skipif("os.geteuid() != 0", reason="mounts a small file system"),
]

MB = 1_000_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 MB."""
    target = tmp_path / "small"
    target.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={300 * MB}", "tmpfs", target], check=True)
    yield target
    subprocess.run(["umount", target], check=True)


def fill(directory: Path, left_bytes: int) -> Path:
    ballast = directory / "ballast"
    subprocess.run(["fallocate", "-l", str(300 * MB - left_bytes), ballast], check=True)
    return ballast


@pytest.fixture
def cramped(host: Host, small: Path) -> Iterator[Path]:
    """The other side's cache is on the small file system, but for what is there already."""
    place = host.cache / "ssh" / "jobs"
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", small, place], check=True)
    yield small
    subprocess.run(["umount", place], check=True)


def test_no_room_there_is_said_before_the_job_starts(here: Here, host: Host, cramped: Path) -> None:
    fill(cramped, 50 * MB)
    done = here.testbed("exec", "--lab", "ssh:far/local", "--", "true")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "MB free, a job needs 200 MB" in done.stderr
    assert [path.name for path in host.jobs()] == ["ballast"]


def test_a_disk_that_gets_full_there_costs_neither_status_nor_results(here: Here, host: Host, cramped: Path) -> None:
    script = 'echo early > "$TESTBED_OUT/early"; dd if=/dev/zero of="$TESTBED_OUT/big" bs=1M; echo status $?; exit 9'
    done = here.testbed("exec", "--lab", "ssh:far/local", "--out", "out", "--", "sh", "-c", script)
    assert done.returncode == 4 or (done.returncode == 9 and "status 1" in done.stdout), done
    assert "No space left on device" in done.stderr
    assert (here.work / "out" / "early").read_text() == "early\n"
    assert host.jobs() == []


def test_output_that_cannot_be_kept_there_ends_the_job(here: Here, host: Host, cramped: Path) -> None:
    done = here.testbed("exec", "--lab", "ssh:far/local", "--", "sh", "-c", "yes | head -c 1000M", stdin=None)
    assert done.returncode != 0
    assert "No space left on device" in done.stderr and "Traceback" not in done.stderr
    assert host.jobs() == []


def test_no_room_here(here: Here, host: Host, small: Path) -> None:
    fill(small, 2 * MB)
    out = small / "out"
    script = 'head -c 5M /dev/zero > "$TESTBED_OUT/big"'
    done = here.testbed("exec", "--lab", "ssh:far/local", "--out", str(out), "--", "sh", "-c", script)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1), done.stderr
    assert "the results need 5 MB, 2 MB are free" in done.stderr
    assert [path for path in out.rglob("*") if path.is_file()] == []
    assert host.jobs() == []
