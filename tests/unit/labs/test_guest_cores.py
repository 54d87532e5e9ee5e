"""The cores of guests: nobody waits for one that only a template has, which does nothing by itself."""

from __future__ import annotations

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
