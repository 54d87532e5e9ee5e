"""How much of the tests runs: what `make test` leaves out is part of `make test-all`, which wants all combinations."""

from __future__ import annotations

import os

import pytest

ALL = os.environ.get("TESTBED_TEST_COMBINATIONS") == "all"


def in_test_all(reason: str) -> pytest.MarkDecorator:
    """Skips a test, for this reason, unless all are wanted."""
    return pytest.mark.skipif(not ALL, reason=reason)
