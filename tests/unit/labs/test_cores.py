"""Who gets a core for a guest next, of all that wait for one."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from testbed.labs import cores
from testbed.labs.base import Cancel
from testbed.process import wait_until


@pytest.fixture(autouse=True)
def _locks_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(cores, "available", lambda: [3])
    monkeypatch.setattr(cores, "_RETRY_S", 0.01)


def is_next_taken() -> bool:
    handle = cores._take("queue")
    if handle is not None:
        os.close(handle)
    return handle is None


def test_who_waits_is_not_overtaken_by_who_has_just_had_the_core() -> None:
    order: list[str] = []

    def lease(name: str) -> None:
        with cores.lease(Cancel()):
            order.append(name)

    waiting = threading.Thread(target=lease, args=("waiting",))
    with cores.lease(Cancel()):
        waiting.start()
        wait_until(is_next_taken, "somebody who waits", timeout_s=20)
    lease("again")
    waiting.join(20)
    assert order == ["waiting", "again"]


def test_who_waits_and_has_been_stopped_keeps_nobody_from_a_core_that_is_free() -> None:
    stopped = cores._take("queue")
    assert stopped is not None
    with cores.lease(Cancel()) as core, cores.lease(Cancel(), 0.1) as shared:
        assert (core, shared) == (3, 3)
        assert cores._take(3) is None
    os.close(stopped)
    with cores.lease(Cancel()):
        assert not is_next_taken()
