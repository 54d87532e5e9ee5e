"""A job as a request for another machine has it: with nothing of this machine's paths but what it writes as text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from testbed.labs.base import Job
from testbed.labs.ssh.remote import layout


def described(job: Job) -> dict[str, Any]:
    """What a request says of the job, as JSON: `job_of` makes it again on the other machine."""
    return {
        "stdin": job.stdin is not None,
        "job": {
            "argv": [layout.PYTHON if word == sys.executable else word for word in job.argv],
            "cwd": str(job.cwd),
            "env": dict(job.env),
            "clock": job.clock,
            "wall_limit_s": job.wall_limit_s,
            "clock_limit_s": job.clock_limit_s,
            "seed": job.seed,
        },
    }


def job_of(folder: Path, request: dict[str, Any]) -> Job:
    """The job of a request in this folder, with this machine's paths."""
    wanted = request["job"]
    return Job(
        argv=tuple(sys.executable if word == layout.PYTHON else word for word in wanted["argv"]),
        output=folder / layout.OUTPUT,
        cwd=Path("/") if wanted["cwd"] == "/" else Path.home(),
        env=wanted["env"],
        clock=wanted["clock"],
        wall_limit_s=wanted["wall_limit_s"],
        clock_limit_s=wanted["clock_limit_s"],
        stdin=folder / layout.STDIN if request["stdin"] else None,
        seed=wanted["seed"],
    )
