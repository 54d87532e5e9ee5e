"""Where the lab VM lies: a directory of its own, `$TESTBED_VM`, else `mptcp-lb-testbed/vm` among the user's state.

    image/            what `testbed vm build` made, whole (`testbed.labs.vm.image`)
    .building-*/      a build under way
    .lock-*           held while something here is changed
    in-use            held, shared, by the runs that use the machine
    disk.qcow2        the machine's disk: what it has changed of the image
    alive             held by QEMU as long as it lives
    machine.json      the running machine (`testbed.labs.vm.machine`)
    qemu.pid, qmp.sock, qemu.log, console.log

Source of the default: the XDG Base Directory Specification ($XDG_STATE_HOME).
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from testbed.errors import PrerequisiteError, UsageError
from testbed.kernel.shelf import Shelf

IMAGE = "image"
_MACHINE = "machine"
_OF_A_MACHINE = ("machine.json", "qemu.pid", "qmp.sock")


@dataclass(frozen=True)
class State:
    """The directory and the names in it."""

    folder: Path

    @property
    def shelf(self) -> Shelf:
        """The shelf of the one image, and the machine's lock."""
        return Shelf(self.folder)

    @property
    def image(self) -> Path:
        """The finished image's directory."""
        return self.folder / IMAGE

    @property
    def disk(self) -> Path:
        """The machine's disk."""
        return self.folder / "disk.qcow2"

    @property
    def record(self) -> Path:
        """What is known of the running machine."""
        return self.folder / "machine.json"

    @property
    def console(self) -> Path:
        """What the machine wrote to its serial line since it was started."""
        return self.folder / "console.log"

    @property
    def alive(self) -> Path:
        """The file that QEMU holds."""
        return self.folder / "alive"

    def prepare(self) -> None:
        """Make the directory; raises `PrerequisiteError`."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise PrerequisiteError(
                f"{error.filename}: {error.strerror}", hint="set TESTBED_VM to a directory that can be made"
            ) from error

    @contextmanager
    def changing(self, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Be the only one who starts, stops or removes the machine; `waiting` is called if somebody else does."""
        self.prepare()
        with self.shelf.lock(_MACHINE, waiting):
            yield

    @contextmanager
    def used(self) -> Iterator[None]:
        """Until the block ends, the machine is in use by this process."""
        with _held(self.folder / "in-use", fcntl.LOCK_SH):
            yield

    @contextmanager
    def unused(self) -> Iterator[None]:
        """Until the block ends, no run begins to use the machine; raises `UsageError` while one does."""
        path = self.folder / "in-use"
        try:
            with _held(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
                yield
        except BlockingIOError:
            raise UsageError(
                "the lab VM is in use by a run", hint="end the run; stop and destroy take --force"
            ) from None

    def is_alive(self) -> bool:
        """Whether a QEMU of this directory lives."""
        try:
            with _held(self.alive, fcntl.LOCK_EX | fcntl.LOCK_NB):
                return False
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False

    def forget_machine(self) -> list[Path]:
        """Remove what a machine that has ended left (not its disk and console); returns it."""
        left = [self.folder / name for name in _OF_A_MACHINE if (self.folder / name).exists()]
        for path in left:
            path.unlink(missing_ok=True)
        return left

    def remove_leftovers(self) -> list[Path]:
        """Remove what killed commands left, if any, and the directory if nothing else is in it; returns it."""
        if not self.folder.is_dir():
            return []
        removed = self.shelf.remove_leftovers()
        with self.changing():
            if not self.is_alive():
                removed += self.forget_machine()
            if not self.image.exists() and not self.disk.exists():
                shutil.rmtree(self.folder, ignore_errors=True)
        return removed


@contextmanager
def _held(path: Path, how: int) -> Iterator[IO[bytes]]:
    with path.open("ab") as file:
        fcntl.flock(file, how)
        yield file


def default_state() -> State:
    """The state directory of this user."""
    if named := os.environ.get("TESTBED_VM"):
        return State(Path(named).absolute())
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return State(root / "mptcp-lb-testbed" / "vm")
