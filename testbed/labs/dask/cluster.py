"""A connection to a Dask cluster, or a cluster of this machine's own that ends with it.

Dask's scheduler and workers are the user's, but for `dask:local`. What must be the same everywhere is looked at first:
the version of `distributed`, in which they speak to each other, and Python's, on which results depend.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import dask
import distributed

from testbed.base.errors import LabError, PrerequisiteError
from testbed.labs import cores, runtime_directory
from testbed.labs.dask import address

CONNECT_S = 10.0
FIRST_WORKER_S = 60.0
SAVING = {"distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "500ms"}
"""Dask's settings for what we start: a task of ours waits for a guest, and nobody need look 100 times a second whether
it still waits, nor 50 times whether Dask's own loops turn. It is 3 % of a core for a worker, 2 % for the others."""


@contextlib.contextmanager
def connected(name: str, where: str) -> Iterator[Any]:
    """A client of the cluster (`distributed.Client`) until the block ends; it has at least one worker.

    Raises `LabError` where nobody answers, or no worker comes, `PrerequisiteError` for versions that do not fit.
    """
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        stack.enter_context(dask.config.set(SAVING))
        target = stack.enter_context(_local()) if where == address.LOCAL else where
        try:
            if where != address.LOCAL:
                address.knock(where, CONNECT_S)
            client = distributed.Client(target, timeout=CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError, ImportError, ValueError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            cure = f"start one there: dask scheduler; or see whether {where} is its address"
            raise LabError(f"{name}: no scheduler answers: {first}", hint=cure) from error
        stack.callback(_close, client)
        try:
            client.wait_for_workers(1, timeout=FIRST_WORKER_S)
        except TimeoutError as error:
            cure = f"start one on each machine: dask worker {where}"
            raise LabError(f"{name}: the scheduler has no worker after {FIRST_WORKER_S:.0f} s", hint=cure) from error
        require_same_versions(name, client.get_versions(check=False))
        yield client


def require_same_versions(name: str, said: Mapping[str, Any]) -> None:
    """Raise `PrerequisiteError` for a scheduler or worker with another `distributed` or Python than ours.

    `said` is what `distributed.Client.get_versions` returns.
    """
    ours = _versions(said["client"])
    others = {"the scheduler": said["scheduler"], **{f"worker {each}": of for each, of in said["workers"].items()}}
    for who, of in others.items():
        theirs = _versions(of)
        for package, version in ours.items():
            if theirs[package] != version:
                raise PrerequisiteError(
                    f"{name}: {who} has {package} {theirs[package]}, here it is {version}: they must be the same",
                    hint=f"start it from an environment with {package} {version}",
                )


def _versions(said: Mapping[str, Any] | None) -> dict[str, str]:
    packages = (said or {}).get("packages", {})
    python = str(packages.get("python") or "unknown").split(".")[:2]
    return {"distributed": str(packages.get("distributed") or "unknown"), "Python": ".".join(python)}


@contextlib.contextmanager
def _local() -> Iterator[Any]:
    """A scheduler, and a worker process for each core that this process may use."""
    with runtime_directory.temporary() as folder:
        cluster = distributed.LocalCluster(
            n_workers=len(cores.available()),
            threads_per_worker=1,
            processes=True,
            memory_limit=0,  # what takes memory are guests, of which it knows nothing
            local_directory=folder,
            dashboard_address=":8787",
            silence_logs=logging.CRITICAL,
        )
        try:
            yield cluster
        finally:
            cluster.close(timeout=30)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Dask logs what it sees; what the user must know is said by us."""
    loggers = [logging.getLogger(each) for each in ("distributed", "bokeh", "tornado", "asyncio")]
    before = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"distributed\b")
        try:
            yield
        finally:
            for each, level in zip(loggers, before, strict=True):
                each.setLevel(level)


def _close(client: Any) -> None:
    with contextlib.suppress(OSError, TimeoutError, RuntimeError):
        client.close(timeout=5)
