"""Fixtures of the Dask lab: a cluster of real processes on loopback, and what its points are in the uml lab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dask_cluster
import pytest
from dask_cluster import Cluster, Command


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/lab/dask" in str(item.path):
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers, `one` and `two`."""
    made = dask_cluster.start(tmp_path_factory.mktemp("cluster"))
    try:
        made.start_worker("one")
        made.start_worker("two")
        yield made
    finally:
        made.stop()


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)
