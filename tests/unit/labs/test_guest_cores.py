"""The cores of guests: nobody waits for one that only a template has, which does nothing by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.labs import cores
from testbed.labs.base import Cancel
from testbed.labs.guest_cores import GuestCores


@pytest.fixture(autouse=True)
def _locks_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(cores, "available", lambda: [3, 5])


def test_each_in_virtual_time_has_its_own_and_one_in_real_time_shares_the_first() -> None:
    guests = GuestCores()
    with guests.lease("virtual", Cancel()) as first, guests.lease("virtual", Cancel()) as second:
        assert (first, second) == (3, 5)
        with guests.lease("real", Cancel()) as shared:
            assert shared == 3
    with guests.lease("virtual", Cancel()) as again:
        assert again == 3


def test_alone_one_in_real_time_has_a_core_that_nobody_shares() -> None:
    guests = GuestCores()
    with guests.lease("real", Cancel()) as real, guests.lease("virtual", Cancel()) as virtual:
        assert (real, virtual) == (3, 5)


_HOLDER = """
import sys
from testbed.labs import cores
from testbed.labs.base import Cancel
cores.available = lambda: [3, 5]
with cores.lease(Cancel()), cores.lease(Cancel()):
    print("both", flush=True)
    sys.stdin.read()
"""


def test_who_waits_for_another_run_is_told_once_which_process_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "_TELL_S", 0.2)
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as holder:
        assert holder.stdin and holder.stdout and holder.stdout.readline() == b"both\n"
        told: list[str] = []
        guests = GuestCores(wait_s=1.0, report=told.append)
        for _ in range(2):
            with guests.lease("virtual", Cancel()):
                pass
        assert told == [f"waiting for a core: each has a guest, those of process {holder.pid} among them"]
        holder.stdin.close()
    with guests.lease("virtual", Cancel()) as core:
        assert core == 3


def test_one_run_that_has_more_jobs_than_cores_is_not_told_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_TELL_S", 0.2)
    told: list[str] = []
    guests = GuestCores(wait_s=0.6, report=told.append)
    with guests.lease("virtual", Cancel()), guests.lease("virtual", Cancel()), guests.lease("virtual", Cancel()):
        assert told == []
