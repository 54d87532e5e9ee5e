"""Who owns what lies on other machines: a record per use of an ssh lab, kept here until the use has ended in order.

The record `<cache>/ssh/owners/<id>.json` is locked as long as its process lives, and removed once nothing is left on
the other side. A record that nobody holds is that of a process that was killed: `testbed clean` goes there.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from testbed.base.errors import PrerequisiteError
from testbed.base.text import parse_json
from testbed.kernel.cache import default_cache
from testbed.labs.ssh.remote.layout import FOLDER

_OWNERS = f"{FOLDER}/owners"
_ATTEMPTS = 100
_RECORD_BYTES = 1 << 16


@dataclass
class Owner:
    """One use of an ssh lab; `done` is set when nothing of it is left on the other side."""

    id: str
    done: bool = False


@dataclass(frozen=True)
class Record:
    """What is known of a dead owner: its id, the target as it was written, the record's path."""

    id: str
    target: str
    path: Path


def folder() -> Path:
    """Where the records lie."""
    return default_cache().root / _OWNERS


@contextlib.contextmanager
def owning(target: str) -> Iterator[Owner]:
    """A record until the block ends, and longer if something may be left there; raises `PrerequisiteError`."""
    owner = Owner(uuid.uuid4().hex[:16])
    path = folder() / f"{owner.id}.json"
    try:
        file = _record(path, target)
    except OSError as error:
        raise PrerequisiteError(
            f"{path.parent}: cannot be written: {error.strerror}", hint="set TESTBED_CACHE to a directory that can"
        ) from error
    with file:
        try:
            yield owner
        finally:
            if owner.done:
                path.unlink(missing_ok=True)


def _record(path: Path, target: str) -> IO[str]:
    """A new record, locked; raises OSError."""
    draft = path.with_name(f".{path.name}")
    for attempt in range(_ATTEMPTS):
        with contextlib.ExitStack() as stack:
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                file = stack.enter_context(draft.open("w", encoding="utf-8"))
                fcntl.flock(file, fcntl.LOCK_EX)
                file.write(json.dumps({"target": target}) + "\n")
                file.flush()
                draft.rename(path)
            except (FileNotFoundError, FileExistsError):  # somebody else tidied up in between
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                stack.pop_all()
                break
    return file


def dead() -> list[Record]:
    """The records of processes that were killed, and of those that could not tidy up."""
    found = []
    for path in sorted(folder().glob("[!.]*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError), path.open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found.append(Record(path.stem, str(parse_json(file.read(_RECORD_BYTES))["target"]), path))
    for path in folder().glob(".*.json"):
        with contextlib.suppress(OSError), path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    return found


def forget(record: Record) -> None:
    """Remove a record: nothing of its owner is left."""
    with contextlib.suppress(OSError):
        os.unlink(record.path)  # noqa: PTH108
    for directory in (record.path.parent, record.path.parent.parent):
        with contextlib.suppress(OSError):
            directory.rmdir()
