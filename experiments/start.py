"""Starts the agent: `python -m experiments.start`, which takes what `experiments.agent` takes.

A guest pays for each page of memory that a program touches first with a stop of its process, and what an agent imports
is thousands of pages: so the kernel maps them all as they are asked for. That saves processor time, and changes nothing
else.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import resource
import sys
from collections.abc import Iterator

_FUTURE = 2  # MCL_FUTURE of mlockall(2)


@contextlib.contextmanager
def mapped_at_once() -> Iterator[None]:
    """Until the block ends, memory that this process asks for has its pages at once, where the machine allows it."""
    libc, before = ctypes.CDLL(None), resource.getrlimit(resource.RLIMIT_MEMLOCK)
    try:
        # Beyond a limit nothing would be mapped at all any more.
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError):
        yield
        return
    libc.mlockall(_FUTURE)
    try:
        yield
    finally:
        libc.munlockall()
        resource.setrlimit(resource.RLIMIT_MEMLOCK, before)


def main() -> int:
    """Exit status of the agent."""
    with mapped_at_once():
        agent = importlib.import_module("experiments.agent")
        importlib.import_module("testbed.nodes")
    return int(agent.main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
