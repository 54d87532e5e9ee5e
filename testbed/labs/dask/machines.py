"""The workers of a cluster by what they stand on: those that share machine, Python and cache need be asked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from testbed.base.errors import PrerequisiteError
from testbed.base.text import plain
from testbed.labs.ssh.rpc import validated


@dataclass(frozen=True)
class Worker:
    """A worker as it describes itself (`testbed.labs.dask.remote.task.look`).

    `boot` tells one run of one kernel from any other, `machine` is its processor's architecture, `home` where its
    cache lies, `folder` its own directory with `free_bytes` of room; it does `threads` things at a time.
    """

    host: str
    boot: str
    machine: str
    python: str
    home: str
    folder: str
    free_bytes: int
    threads: int
    address: str = ""

    @property
    def place(self) -> tuple[str, ...]:
        """Equal for workers that find the same there."""
        return (self.boot, self.machine, self.python, self.home)

    def __str__(self) -> str:
        return plain(f"{self.host} ({self.address})")


def parse(said: Mapping[str, Mapping[str, Any]], lab: str) -> list[Worker]:
    """The workers, by what each said; raises `ProtocolError`."""
    return [validated(Worker, {**of, "address": address}, lab) for address, of in sorted(said.items())]


def representatives(workers: Sequence[Worker]) -> list[Worker]:
    """The first worker of each place."""
    return list({worker.place: worker for worker in reversed(workers)}.values())[::-1]


def require_room(workers: Sequence[Worker], lab: str, needed_bytes: int) -> None:
    """Raise `PrerequisiteError` for a worker whose directory has no room for a job."""
    for worker in workers:
        if worker.free_bytes < needed_bytes:
            raise PrerequisiteError(
                f"{lab}: worker {worker}: {plain(worker.folder)} has {worker.free_bytes / 1e6:.0f} MB free, "
                f"a job needs {needed_bytes / 1e6:.0f} MB",
                hint="make room there, or start it with --local-directory elsewhere",
            )
