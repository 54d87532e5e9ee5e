from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from testbed.labs.ssh import owner


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path))
    return tmp_path


def test_a_use_that_ended_in_order_leaves_no_record() -> None:
    with owner.owning("box") as mine:
        assert owner.dead() == []
        mine.done = True
    assert owner.dead() == []
    assert list(owner.folder().iterdir()) == []


def test_a_use_that_could_not_tidy_up_is_remembered_until_it_is_forgotten(cache: Path) -> None:
    with owner.owning("me@box/local") as mine:
        pass
    (record,) = owner.dead()
    assert (record.id, record.target) == (mine.id, "me@box/local")
    owner.forget(record)
    assert owner.dead() == []
    assert list(cache.iterdir()) == []


def test_who_tidies_up_takes_no_record_from_a_use_that_begins() -> None:
    done = threading.Event()

    def tidy_up_again_and_again() -> None:
        while not done.is_set():
            for record in owner.dead():
                owner.forget(record)

    thread = threading.Thread(target=tidy_up_again_and_again)
    thread.start()
    try:
        for _ in range(300):
            with owner.owning("box") as mine:
                assert (owner.folder() / f"{mine.id}.json").exists()
                mine.done = True
    finally:
        done.set()
        thread.join()


def test_a_killed_process_is_told_from_one_that_lives() -> None:
    lines = ["import time", "from testbed.labs.ssh import owner", "with owner.owning('box'):"]
    code = "\n".join([*lines, "  print(flush=True)", "  time.sleep(60)"])
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert owner.dead() == []
        process.kill()
        process.wait()
    assert [record.target for record in owner.dead()] == ["box"]
