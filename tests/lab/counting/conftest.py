"""Tests of the machine that counts instructions: skipped, with the reason, where it cannot be had."""

from __future__ import annotations

import pytest

from testbed.base.errors import PrerequisiteError
from testbed.labs.counting import machine
from testbed.labs.counting.machine import Machine


@pytest.fixture(scope="session")
def counting() -> Machine:
    try:
        return machine.find()
    except PrerequisiteError as error:
        pytest.skip(f"{error.message} ({error.hint})")
