"""What a run's manifest says of how it was made, and that it has ended."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import testbed
from testbed.base.errors import PrerequisiteError
from testbed.debian_packages import TOOLS, package_versions
from testbed.runs.store import RunStore
from testbed.runs.tasks import Place
from testbed.runs.toolkit_identity import toolkit_sha256
from testbed.signals import ENDING, handled
from testbed.tools import large_reads


def facts_of(places: Sequence[Place], command: Sequence[str]) -> dict[str, object]:
    """The fields of a manifest that say where a run was made, with what, and by which command."""
    labs: list[dict[str, object]] = [{"name": place.lab.name, **place.lab.facts()} for place in places]
    return {
        "command": list(command),
        "toolkit": testbed.__version__,
        "sources": toolkit_sha256(),
        "kernel": next((facts["kernel"] for facts in labs if "kernel" in facts), None),
        "host": {"platform": platform.platform(), "cpus": os.cpu_count(), "python": platform.python_version()},
        "tools": package_versions(TOOLS),
        "libraries": {"large_reads": large_reads.identity()},
        "lab": [place.lab.name for place in places],
        "labs": labs,
        "started_at": _now(),
        "finished_at": None,
    }


@contextmanager
def closing(run: RunStore, *, is_default: bool = False) -> Iterator[None]:
    """However the block ends, the manifest says so: `complete`, or `interrupted`, which `resume` goes on with.

    A run in a directory that nobody chose (`is_default`) is the latest one from then on.
    """
    try:
        yield
    except BaseException:
        # A second Ctrl-C must not leave a manifest that says the run goes on; nor must what cannot be written now
        # hide why the run has ended.
        with handled(ENDING, lambda _number: None), contextlib.suppress(PrerequisiteError):
            _close(run, "interrupted", is_default=is_default)
        raise
    _close(run, "complete", is_default=is_default)


def _close(run: RunStore, state: str, *, is_default: bool) -> None:
    run.update(state=state, finished_at=_now())
    if is_default:
        run.link_latest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
