"""Some tests of labs take so long, or so much, that they run only if they are asked for."""

from __future__ import annotations

import os

import pytest

WANTED = "TESTBED_TEST_VM"
LONG = {
    "tests/lab/vm": "takes a kernel build and ten minutes more: make test-vm",
    "tests/lab/counting": "takes QEMU, a kernel build and minutes more: make test-vm",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        reason = next((why for folder, why in LONG.items() if folder in str(item.path)), None)
        if reason:
            item.add_marker(pytest.mark.lab)
            item.add_marker(pytest.mark.timeout(1800))
            if not os.environ.get(WANTED):
                item.add_marker(pytest.mark.skip(reason=reason))
