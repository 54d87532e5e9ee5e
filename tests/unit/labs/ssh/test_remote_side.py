"""The other side's parts that need no other side: frames, lease, sweep."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed.base.errors import GuestPanic, LabError, PrerequisiteError
from testbed.labs import cores
from testbed.labs.base import Cancel
from testbed.labs.ssh.remote import cleanup, layout, protocol, serve
from testbed.labs.ssh.remote.job import Lease
from testbed.labs.ssh.remote.protocol import FrameReader, ProtocolError


def test_frames_come_out_whole_however_the_bytes_arrive() -> None:
    sent = protocol.frame({"job": "a", "stream": "stdout", "offset": 3}, b"x\n{}\0") + protocol.frame(
        {"heartbeat": True}
    )
    wanted = [({"job": "a", "stream": "stdout", "offset": 3, "bytes": 5}, b"x\n{}\0"), ({"heartbeat": True}, b"")]
    assert FrameReader().feed(sent) == wanted
    reader = FrameReader()
    assert [each for byte in sent for each in reader.feed(bytes([byte]))] == wanted


@pytest.mark.parametrize("line", [b"Welcome to the lab!\n", b"[1]\n", b'{"bytes": -1}\n', b'{"bytes": "many"}\n'])
def test_what_is_no_frame_is_refused_with_the_likely_cause(line: bytes) -> None:
    with pytest.raises(ProtocolError, match="does not speak our language") as caught:
        FrameReader().feed(line)
    assert "bashrc" in caught.value.hint


def test_versions_must_match() -> None:
    ours = protocol.greeting("abc")
    protocol.compare(dict(ours), ours, "box")
    for key in ours:
        with pytest.raises(LabError, match=f"box: its {key} is other"):
            protocol.compare({**ours, key: "other"}, ours, "box")
    with pytest.raises(LabError, match="box: its protocol is None"):
        protocol.compare(None, ours, "box")


def test_errors_keep_their_kind_on_the_way() -> None:
    panic = GuestPanic("the guest's kernel panicked: oh", hint="look", console="line")
    back = protocol.error_from_json(json.loads(json.dumps(protocol.error_to_json(panic))), "ssh:box")
    assert isinstance(back, GuestPanic)
    assert (back.message, back.hint, back.console) == ("ssh:box: the guest's kernel panicked: oh", "look", "line")
    assert back.exit_code == panic.exit_code
    missing = protocol.error_from_json(protocol.error_to_json(PrerequisiteError("no room")), "ssh:box")
    assert isinstance(missing, PrerequisiteError)
    full = protocol.error_from_json(protocol.error_to_json(OSError(28, "No space left on device", "/x")), "ssh:box")
    assert (type(full), full.message) == (LabError, "ssh:box: /x: No space left on device")


def test_a_lease_lasts_from_the_last_touch_by_our_own_clock(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    path.touch()
    lease = Lease(path, 10)
    assert not lease.is_over(100)
    assert not lease.is_over(110)
    assert lease.is_over(110.1)
    os.utime(path, (0, 0))  # the machine's clock was set back: still somebody has touched it
    assert not lease.is_over(111)
    assert lease.is_over(121.1)
    path.unlink()
    assert lease.is_over(111)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "cache"


def a_job(root: Path, name: str, *, unheard_s: float, lease_s: float = 60) -> Path:
    folder = root / layout.JOBS / name
    folder.mkdir(parents=True)
    (folder / layout.REQUEST).write_text(json.dumps({"lease_s": lease_s}))
    (folder / layout.LEASE).touch()
    then = time.time() - unheard_s
    os.utime(folder / layout.LEASE, (then, then))
    return folder


def test_a_sweep_removes_what_is_the_dead_ones_or_nobodys(root: Path) -> None:
    dead = a_job(root, "dead-1", unheard_s=0)
    forgotten = a_job(root, "other-1", unheard_s=61)
    alive = a_job(root, "alive-1", unheard_s=59)
    sent = root / layout.INCOMING / "dead"
    sent.mkdir(parents=True)
    other = root / layout.INCOMING / "alive"
    other.mkdir()
    foreign = root / "notes"
    foreign.write_text("mine")
    assert cleanup.sweep(["dead"], False) == [str(dead), str(forgotten), str(sent)]
    assert alive.is_dir() and other.is_dir() and foreign.exists()
    assert cleanup.sweep(["dead"], False) == []


def test_what_another_sweep_removes_meanwhile_ends_no_sweep(root: Path) -> None:
    class Dead(list[str]):
        """Whoever is asked for is nobody's here, and another sweep has removed it."""

        def __contains__(self, owner: object) -> bool:
            shutil.rmtree(root / layout.JOBS / f"{owner}-1", ignore_errors=True)
            shutil.rmtree(root / layout.INCOMING / str(owner), ignore_errors=True)
            return owner == "dead"

    for owner in ("dead", "other"):
        a_job(root, f"{owner}-1", unheard_s=61)
    (root / layout.INCOMING / "other").mkdir(parents=True)
    assert cleanup.sweep(Dead(), False) == [str(root / layout.JOBS / "dead-1")]
    assert not (root / layout.FOLDER).exists()


def test_a_job_that_another_removes_meanwhile_is_ended(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job, locked = a_job(root, "dead-1", unheard_s=0), layout.locked

    def locked_too_late(path: Path, *, wait: bool) -> contextlib.AbstractContextManager[bool]:
        shutil.rmtree(job)
        return locked(path, wait=wait)

    monkeypatch.setattr(layout, "locked", locked_too_late)
    cleanup.end_job(job)
    assert not job.exists()


def test_a_sweep_removes_the_locks_of_cores_that_nobody_has(root: Path) -> None:
    with cores.lease(Cancel(), 0.0):
        (locks,) = Path(tempfile.gettempdir()).iterdir()
        assert cleanup.sweep([], False) == []
    assert cleanup.sweep([], False) == [str(locks)]
    locks.symlink_to(root)
    (root / "core-1").touch()
    assert cleanup.sweep([], False) == []
    assert (root / "core-1").exists()


def test_a_cache_that_everybody_may_write_to_is_refused(root: Path) -> None:
    root.chmod(0o777)
    with pytest.raises(layout.Refusal, match="cannot be trusted"):
        layout.prepare("me")


def test_a_job_that_runs_is_nobodys_to_remove_even_if_nobody_asks_for_it(root: Path) -> None:
    job = a_job(root, "other-1", unheard_s=1000)
    with (job / layout.LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert cleanup.sweep([], False) == []
    assert cleanup.sweep([], False) == [str(job)]


def test_half_made_environments_go_and_used_ones_stay(root: Path) -> None:
    toolkits = root / layout.TOOLKITS
    for name in ("half", "whole", "used"):
        (toolkits / name).mkdir(parents=True)
    for name in ("whole", "used"):
        (toolkits / name / layout.READY).write_text("{}")
    handle = layout.in_use(toolkits / "used")
    assert cleanup.sweep([], False) == [str(toolkits / "half")]
    assert cleanup.sweep([], True) == [str(toolkits / "whole")]
    os.close(handle)
    assert cleanup.sweep([], True) == [str(toolkits / "used")]
    assert not (root / layout.FOLDER).exists()


@pytest.mark.parametrize("module", [("serve", "toolkit", "0.1", "0.5"), ("commands", "toolkit", "0.5")])
def test_what_serves_a_dead_connection_ends_by_itself(root: Path, module: tuple[str, ...]) -> None:
    name, *arguments = module
    argv = [sys.executable, "-m", f"testbed.labs.ssh.remote.{name}", *arguments]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as process:
        assert process.wait(30) == 0  # its standard input is open all the while


@pytest.fixture
def followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], serve.Followed]]:
    """Follows a job whose interpreter is a shell script; the script sees the job's directory as $4."""
    started: list[serve.Followed] = []

    def start(script: str) -> serve.Followed:
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))
        folder = tmp_path / "owner-1"
        folder.mkdir()
        started.append(serve.Followed(folder, dict.fromkeys(protocol.STREAMS, 0)))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        (each.folder / "go").touch()
        assert each.process is not None
        each.process.wait(10)


def test_a_job_that_is_slow_to_begin_is_waited_for_as_long_as_it_lives(
    followed: Callable[[str], serve.Followed], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an emulated machine Python takes longer to begin than any limit that somebody thought of."""
    job = followed('until [ -e "$4/go" ]; do sleep 0.02; done')
    an_hour_later = time.monotonic() + 3600
    monkeypatch.setattr(time, "monotonic", lambda: an_hour_later)
    assert list(job.events()) == []


def test_a_job_that_ended_without_a_word_is_given_up_with_its_last_ones(
    followed: Callable[[str], serve.Followed],
) -> None:
    job = followed("echo no such module >&2; exit 1")
    assert job.process is not None
    job.process.wait(10)
    ((header, _),) = list(job.events())
    assert header["end"]["error"]["message"] == "the job ended without a word: no such module"
