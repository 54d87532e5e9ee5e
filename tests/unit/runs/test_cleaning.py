"""`testbed clean` beside live runs: it waits for what ends, and takes nothing that is in use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from testbed import directory_lock
from testbed.base import files
from testbed.base.errors import PrerequisiteError
from testbed.holding import state
from testbed.kernel.cache import Cache
from testbed.labs import cores
from testbed.labs.base import Cancel
from testbed.runs import cleaning, store

DEAD = 99999999
OWNER = """
import sys, time
from pathlib import Path
from testbed.reaped_process import ReapedProcess
reaped = ReapedProcess(["sleep", "1000"], stdout=sys.stderr.buffer, stderr=sys.stderr.buffer, remove=Path(sys.argv[1]))
print(reaped._process.pid, flush=True)
time.sleep(1000)
"""


def draft(name: str) -> str:
    """The name of a file that a process which is no more was about to rename."""
    return f".{name}.{DEAD}-{'0' * 16}.testbed-draft"


@pytest.fixture
def run_store(tmp_path: Path) -> store.RunStore:
    return store.create(tmp_path / "results" / "one", ["good"], {})


def test_the_subreaper_of_a_killed_process_is_waited_for(tmp_path: Path) -> None:
    runtime = tmp_path / f"mptcp-testbed-{DEAD}-x"
    runtime.mkdir()
    with subprocess.Popen([sys.executable, "-c", OWNER, runtime], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        subreaper = int(owner.stdout.readline())
        # It cannot end anything for a while.
        os.kill(subreaper, signal.SIGSTOP)
        owner.kill()
    timer = threading.Timer(0.5, os.kill, [subreaper, signal.SIGCONT])
    timer.start()
    started = time.monotonic()
    assert cleaning.remove_runtimes(tmp_path) == [runtime]
    assert time.monotonic() - started >= 0.5
    timer.join()
    assert not runtime.exists()
    # It has nobody any more who waits for it but the first process, which may take a moment.
    assert state(subreaper) in "ZX"


def test_a_directory_that_stays_in_use_stays(tmp_path: Path) -> None:
    runtime = tmp_path / "held"
    runtime.mkdir()
    handle = directory_lock.hold(runtime)
    assert not directory_lock.wait_until_free(runtime, 0.1)
    os.close(handle)
    assert directory_lock.wait_until_free(runtime, 0.0)
    assert directory_lock.wait_until_free(tmp_path / "gone", 0.0)


def test_drafts_of_dead_processes_go_and_those_of_live_ones_stay(run_store: store.RunStore) -> None:
    run, results = run_store.directory, run_store.directory.parent
    (run / "tables").mkdir()
    dead = [run / draft("run.json"), run / "tables" / draft("packets.parquet")]
    kept = [files.draft_path(run / "summary.txt"), files.draft_path(results / "latest"), results / draft("notes")]
    kept += [run / f".notes.{DEAD}", run / f".notes.{DEAD}.swp"]
    for path in (*dead, *kept):
        path.touch()
    link = results / draft("latest")
    link.symlink_to("one")
    with run_store.lock():
        assert cleaning.remove_partials(results) == [link]
    assert cleaning.remove_partials(results) == dead
    assert all(path.exists() for path in (*kept, run / "run.json"))


def test_a_run_begins_although_somebody_looks_at_it(run_store: store.RunStore) -> None:
    """Who tidies up has the lock for a moment."""
    with run_store.lock():
        pass
    looking = run_store.idle()
    assert looking.__enter__()
    timer = threading.Timer(0.3, looking.__exit__, [None, None, None])
    timer.start()
    with run_store.lock():
        assert timer.finished.is_set()


def test_the_locks_of_cores_go_unless_somebody_has_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with cores.lease(Cancel(), 0.0) as core:
        (locks,) = tmp_path.iterdir()
        (locks / "core-9999").touch()
        assert cores.remove_unused() == []
        assert [path.name for path in locks.iterdir()] == [f"core-{core}"]
    assert cores.remove_unused() == [locks]
    assert cores.remove_unused() == []


@pytest.mark.parametrize("kind", ["link", "everybody", "file"])
def test_locks_of_cores_are_kept_only_where_nobody_else_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The directory lies where everybody may make one of this name first."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with cores.lease(Cancel(), 0.0):
        (locks,) = tmp_path.iterdir()
    cores.remove_unused()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "core-0").touch()
    if kind == "link":
        locks.symlink_to(elsewhere)
    elif kind == "file":
        locks.touch()
    else:
        elsewhere.rename(locks)
        locks.chmod(0o777)
    with pytest.raises(PrerequisiteError, match=r"only you can write to \(remove it, or set TMPDIR"):
        cores.lease(Cancel(), 0.0).__enter__()
    assert cores.remove_unused() == []
    assert kind == "file" or (locks / "core-0").exists()


def test_no_core_has_two_leases_while_locks_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(cores, "available", lambda: [0])
    held: set[int] = set()
    twice, leases = [], []
    done = threading.Event()

    def lease_again_and_again() -> None:
        while not done.is_set():
            with cores.lease(Cancel()) as core:
                twice.extend(held & {core})
                held.add(core)
                leases.append(core)
                time.sleep(0.0005)
                held.discard(core)

    monkeypatch.setattr(cores, "_RETRY_S", 0.0002)
    with ThreadPoolExecutor(2) as pool:
        lessees = [pool.submit(lease_again_and_again) for _ in range(2)]
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            cores.remove_unused()
        done.set()
    assert [lessee.exception() for lessee in lessees] == [None, None]
    assert twice == []
    assert len(leases) > 20


def test_downloads_of_dead_processes_go(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.prepare()
    dead = cache.downloads / f".arriving-{DEAD}"
    for path in (dead, cache.downloads / f".arriving-{os.getpid()}", cache.downloads / ".arriving-later"):
        path.mkdir()
    assert cleaning.remove_builds(cache) == [dead]


def test_libraries_go_with_the_kernels_and_what_is_no_library_stays(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.prepare()
    ours, other = cache.libraries / ("0" * 12), cache.libraries / "mine"
    for folder in (ours, other):
        folder.mkdir()
        (folder / "large_reads.so").touch()
    left = cache.libraries / f".building-{'1' * 12}-{DEAD}"
    left.mkdir()
    assert left in cleaning.remove_builds(cache)
    assert cleaning.remove_kernels(cache) == [ours]
    assert other.exists()
