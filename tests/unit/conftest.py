"""All unit tests: an analysis has one core, for to start processes takes longer than what they have to analyse."""

from __future__ import annotations

import pytest

from testbed.labs import cores


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that are about several processes say how many."""
    first = cores.available()[:1]
    monkeypatch.setattr(cores, "available", lambda: first)
