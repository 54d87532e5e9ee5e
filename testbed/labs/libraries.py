"""The libraries that a job's programs preload: had before the first job starts, and found by the job itself.

A lab tells each job in an environment variable where its machine's cache has them (`testbed.tools.large_reads`).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from testbed.base.errors import PrerequisiteError
from testbed.base.needs import Finding, Need
from testbed.kernel.cache import default_cache
from testbed.tools import large_reads


def split(needs: Collection[Need]) -> tuple[list[Need], list[Need]]:
    """The needs of a library of ours, and all others."""
    ours = [need for need in needs if need.name == large_reads.NEED.name]
    return ours, [need for need in needs if need not in ours]


def require(needs: Collection[Need]) -> Path | None:
    """Have the library in the cache if it is needed; raises `PrerequisiteError` where it cannot be had."""
    return large_reads.ensure(default_cache()) if split(needs)[0] else None


def find(needs: Collection[Need]) -> list[Finding]:
    """Whether the cache of this machine has what is needed, nothing built."""
    error = "" if not needs or large_reads.find(default_cache()) else "not built yet"
    return [Finding(need.name, error, need.what_for, need.cure if error else "") for need in needs]


def environment() -> dict[str, str]:
    """What a job is told of them: nothing where there are none, or no cache that can be trusted."""
    try:
        found = default_cache().libraries
    except PrerequisiteError:
        return {}
    return {large_reads.FOLDER_VARIABLE: str(found)} if found.is_dir() else {}
