"""Tests of the machine that counts instructions: skipped, with the reason, where it cannot be had."""

from __future__ import annotations

import os

import pytest

from testbed.base.errors import PrerequisiteError
from testbed.labs.counting import machine
from testbed.labs.counting.machine import Machine

WANTED = "TESTBED_TEST_VM"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/lab/counting" in str(item.path):
            item.add_marker(pytest.mark.lab)
            item.add_marker(pytest.mark.timeout(1800))
            if not os.environ.get(WANTED):
                item.add_marker(pytest.mark.skip(reason="takes QEMU, a kernel build and minutes more: make test-vm"))


@pytest.fixture(scope="session")
def counting() -> Machine:
    try:
        return machine.find()
    except PrerequisiteError as error:
        pytest.skip(f"{error.message} ({error.hint})")
