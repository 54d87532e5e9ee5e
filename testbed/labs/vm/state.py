"""Where the lab VM lies: `mptcp-lb-testbed/vm` among the user's state, or `mptcp-lb-testbed-vm` in `$TESTBED_VM`.

    image/            what `testbed vm build` made, whole (`testbed.labs.vm.image`)
    .building-*/      a build under way
    .lock-*           held while something here is changed
    in-use            held, shared, by the runs that use the machine
    disk.qcow2        the machine's disk: what it has changed of the image
    alive             held by QEMU as long as it lives
    machine.json      the running machine (`testbed.labs.vm.machine`)
    qemu.pid, qmp.sock, qemu.log, console.log

The directory is never one that somebody named: it has a name of ours, in there. What is removed in it goes by name.
Source of the default: the XDG Base Directory Specification ($XDG_STATE_HOME).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from testbed import directory_lock
from testbed.base import ownership
from testbed.base.errors import PrerequisiteError, UsageError
from testbed.kernel.artifact_store import ArtifactStore
from testbed.labs.vm import user_namespace

IMAGE = "image"
LOOPBACK = "127.0.0.1"
FOLDER = "mptcp-lb-testbed-vm"
_BY_HAND = "remove it yourself"
_MACHINE = "machine"
_OF_A_MACHINE = ("machine.json", "qemu.pid", "qmp.sock", "disk.draft")


@dataclass(frozen=True)
class State:
    """The directory and the names in it."""

    folder: Path

    @property
    def image_artifacts(self) -> ArtifactStore:
        """Where the one image is built and lies."""
        return ArtifactStore(self.folder)

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

    def machine_lock(self, waiting: Callable[[], None] = lambda: None) -> AbstractContextManager[None]:
        """Be the only one who starts, stops or removes the machine; `waiting` is called if somebody else does."""
        return self._locked(_MACHINE, waiting)

    def build_lock(self, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Be the only one who builds the image; `waiting` is called if somebody else does."""
        return self._locked(IMAGE, waiting)

    @contextmanager
    def _locked(self, name: str, waiting: Callable[[], None]) -> Iterator[None]:
        path = self.folder / f".lock-{name}"
        while True:
            self.prepare()
            file = _hold(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if file is None:
                waiting()
                waiting = _nothing
                file = _hold(path, fcntl.LOCK_EX)
            # Who held it may have removed the directory: then another file has the name, or none.
            if file is not None and _is_there(file, path):
                break
            if file is not None:
                file.close()
        with file:
            yield

    def build_lock_at_once(self) -> AbstractContextManager[None]:
        """Until the block ends, nobody begins to build; raises `UsageError` while somebody does."""
        error = UsageError("the lab VM's image is being built", hint="wait for its end, or end it")
        return self._locked(IMAGE, partial(_refuse, error))

    def machine_lock_at_once(self) -> AbstractContextManager[None]:
        """As `machine_lock`, but raises `UsageError` at once if somebody else does."""
        error = UsageError("another command is at work on the lab VM", hint="wait for its end")
        return self._locked(_MACHINE, partial(_refuse, error))

    @contextmanager
    def shared_use(self) -> Iterator[None]:
        """Until the block ends, the machine is in use by this process."""
        with ownership.open_lock(self.folder / "in-use") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield

    @contextmanager
    def exclusive_use(self) -> Iterator[None]:
        """Until the block ends, no run begins to use the machine; raises `UsageError` while one does."""
        file = _hold(self.folder / "in-use", fcntl.LOCK_EX | fcntl.LOCK_NB)
        if file is None:
            raise UsageError("the lab VM is in use by a run", hint="end the run; stop and destroy take --force")
        with file:
            yield

    def is_alive(self) -> bool:
        """Whether a QEMU of this directory lives."""
        try:
            with ownership.open_lock(self.alive, create=False) as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who ask do not see each other
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def forget_machine(self) -> list[Path]:
        """Remove what a machine that has ended left (not its disk and console); returns it."""
        left = [self.folder / name for name in _OF_A_MACHINE if os.path.lexists(self.folder / name)]
        for path in left:
            path.unlink(missing_ok=True)
        return left + ownership.remove_drafts(self.folder)

    def remove_builds(self) -> list[Path]:
        """Remove what killed builds left; returns it. The caller must have kept new ones from beginning."""
        left = [path for path in self.image_artifacts.unfinished() if directory_lock.wait_until_free(path)]
        for path in left:
            user_namespace.remove(path)
        return left

    def remove(self) -> None:
        """Remove what is ours in the directory, it if nothing else is in it, and ours around it if that is empty then.

        Nobody may be at work in it.
        """
        if self.folder.is_symlink():
            raise PrerequisiteError(f"{self.folder}: is a symbolic link, not a directory of ours", hint=_BY_HAND)
        if self.image.exists():
            user_namespace.remove(self.image)
        ours = (*_OF_A_MACHINE, "in-use", "alive", "console.log", "qemu.log", "disk.qcow2")
        for path in (*(self.folder / name for name in ours), *self.folder.glob(".lock-*")):
            with contextlib.suppress(IsADirectoryError):
                path.unlink(missing_ok=True)
        try:
            self.folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:  # somebody else has put something there
            return
        if self.folder.name != FOLDER and not any(self.folder.parent.iterdir()):
            self.folder.parent.rmdir()


def _nothing() -> None:
    pass


def _refuse(error: UsageError) -> None:
    raise error


def _hold(path: Path, how: int) -> IO[bytes] | None:
    """The file, locked; None if somebody else holds it, or its directory is gone."""
    try:
        file = ownership.open_lock(path)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        file.close()
        return None
    return file


def _is_there(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def default_state() -> State:
    """The state directory of this user; raises `PrerequisiteError` where others may write in it."""
    if named := os.environ.get("TESTBED_VM"):
        state = State(Path(named).absolute() / FOLDER)
    else:
        base = os.environ.get("XDG_STATE_HOME", "")
        root = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
        state = State(root / "mptcp-lb-testbed" / "vm")
    if why := ownership.why_not_private(state.folder):
        raise PrerequisiteError(
            f"the lab VM's directory {state.folder} cannot be trusted: {why}",
            hint="set TESTBED_VM to a directory that only you can write to",
        )
    return state
