"""Tests on all cores (`pytest -n logical`): what stays together, and what has the machine for itself.

The tests of a file run in one worker, in their order. A test that is marked `alone` measures real time, or looks at the
processes, mounts or namespaces of the whole machine: the other workers wait while it runs, so all of these are one
worker's, and come last: in between they would keep the others from all that can run at the same time.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # a single file is tested without it
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling
    from xdist.workermanage import WorkerController

ALONE = (
    "tests/guest/test_guest_behaviour.py",
    "tests/guest/test_interruptions.py",
    "tests/guest/test_kernel_selftests.py",
    "tests/guest/test_shared_boots.py",
    "tests/guest/test_shell_commands_in_a_guest.py",
    "tests/guest/test_time_line_in_a_browser.py",
    "tests/guest/test_unprivileged_user.py",
    "tests/lab/",
)
"""Whose tests are marked `alone`. A guest in virtual time does not notice who else is at work."""
APART = ("tests/unit/fuzzing/",)
"""Folders whose tests share nothing, and some of which are as long as a whole file of others."""

_GATE, _ROOM = 0, 1
"""Bytes of the lock's file. Who waits to be alone holds the gate, so that the others let it into the room."""


def scope_of(nodeid: str) -> str:
    """What of the tests is one worker's: all that are alone, a file or a single test."""
    if nodeid.startswith(APART):
        return nodeid
    return "alone" if nodeid.startswith(ALONE) else nodeid.split("::")[0]


@contextmanager
def in_room(path: Path, *, alone: bool) -> Iterator[None]:
    """Beside others who are not alone, or alone; waits for that, and who waits longest comes first."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Locks of this process, which no child that a test leaves behind has with it.
        fcntl.lockf(handle, fcntl.LOCK_EX, 1, _GATE)
        fcntl.lockf(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, 1, _ROOM)
        fcntl.lockf(handle, fcntl.LOCK_UN, 1, _GATE)
        yield
    finally:
        os.close(handle)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(ALONE):
            item.add_marker(pytest.mark.alone)
    items.sort(key=lambda item: item.nodeid.startswith(ALONE))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Takes the place of pytest-xdist's own scheduler, whichever `--dist` names."""
    from scheduling import InOrder

    return InOrder(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Name the lock for a worker that is about to start; all of a run have the same."""
    room = Path(tempfile.gettempdir()) / f"pytest-room-{node.workerinput['testrunuid']}"
    node.config.add_cleanup(lambda: room.unlink(missing_ok=True))
    node.workerinput["room"] = str(room)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    # Outermost, so that no time limit counts how long a test waits here.
    given = getattr(item.config, "workerinput", None)
    if given is None:
        return (yield)
    with in_room(Path(given["room"]), alone=item.get_closest_marker("alone") is not None):
        return (yield)
