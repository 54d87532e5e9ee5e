"""The local lab: a job on this machine's own kernel and clock, as root, contained so that nothing of it can stay.

The job gets namespaces of its own (mounts, process ids, network, IPC, host name) under a subreaper
(`testbed.subreaper`): its virtual links, bridges, namespaces, sysctls and processes are no part of this machine's, and
the kernel takes them away with the job's first process, which ends with the subreaper, which ends with us. It reads
this machine's files, and writes only its output directory. What it shares is the kernel and the cores: so nothing here
is exact, and each result comes with the machine's load, second by second (`testbed.labs.host_load`).
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import testbed
from testbed.base.errors import GuestKilled, GuestTimeout, LabError, PrerequisiteError, UsageError
from testbed.base.needs import Finding, Need
from testbed.labs import features, host_load, kernel_log, lab_directory, libraries, runtime_directory
from testbed.labs.base import HERE, Cancel, Clock, Job, JobResult, Sink, discard
from testbed.labs.local import kernel_options, mounts
from testbed.labs.local.supervisor import FOLDER, STATUS_FILE
from testbed.labs.terminal import Terminal
from testbed.labs.verdict import console_tail, read_status
from testbed.labs.waiting import Follower, wait_for_end
from testbed.reaped_process import ReapedProcess
from testbed.record.host_load import FILE as HOST_LOAD


class LocalLab:
    """A `Lab` that runs each job on this machine's kernel; one at a time, because they would share its cores."""

    name = "local"
    machine = HERE
    clocks: tuple[Clock, ...] = ("real",)
    width = 1

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise PrerequisiteError("the local lab needs root", hint="run testbed with sudo, or use --lab uml")

    def facts(self) -> Mapping[str, Any]:
        """This machine's kernel."""
        return {"kernel": {"release": platform.release(), "version": platform.version()}}

    def require(self, needs: Collection[Need], cancel: Cancel | None = None) -> None:
        """Find out in a throw-away namespace; raises `PrerequisiteError` with all that is missing."""
        libraries.require(needs)
        features.require(self.probe(needs, cancel), f"the local lab (Linux {platform.release()})")

    def probe(self, needs: Collection[Need], cancel: Cancel | None = None) -> list[Finding]:
        """Look at the kernel's options, if it says which, and try the rest in a throw-away namespace."""
        return features.probe(needs, features.as_job(self, "real", cancel), kernel_options.options())

    def run(
        self, job: Job, *, stdout: Sink = discard, stderr: Sink = discard, cancel: Cancel | None = None
    ) -> JobResult:
        """Run the job in namespaces of its own and bring its output back (see `Lab`)."""
        return self._run(job, stdout=stdout, stderr=stderr, cancel=cancel or Cancel(), terminal=None)

    def interact(self, job: Job, terminal: Terminal) -> JobResult:
        """Run the job with the user's terminal as its own."""
        return self._run(job, stdout=discard, stderr=discard, cancel=Cancel(), terminal=terminal)

    def _run(self, job: Job, *, stdout: Sink, stderr: Sink, cancel: Cancel, terminal: Terminal | None) -> JobResult:
        if job.clock != "real":
            raise UsageError("the local lab has no virtual clock", hint="use --clock real, or --lab uml")
        cancel.raise_if_set()
        with ExitStack() as stack:
            began_s = time.monotonic()
            runtime = runtime_directory.make()
            stack.callback(shutil.rmtree, runtime, ignore_errors=True)
            output = job.output.resolve()
            prepare(job, output, has_terminal=terminal is not None)
            log = stack.enter_context(kernel_log.watched())
            stack.enter_context(host_load.recorded(output))
            console = stack.enter_context(lab_directory.begin(output / FOLDER / "console.log"))
            followers = []
            if terminal:
                line = stack.enter_context(terminal.attach("cooked"))
                fds = [line, line, line]
            else:
                stdin = stack.enter_context((job.stdin or Path(os.devnull)).open("rb"))
                given: list[IO[bytes]] = [stdin]
                for name, sink in (("stdout", stdout), ("stderr", stderr)):
                    path = output / FOLDER / name
                    given.append(stack.enter_context(lab_directory.begin(path)))
                    followers.append(Follower(path, sink, cancel))
                    stack.callback(followers[-1].close)
                fds = [file.fileno() for file in given]
            argv = [sys.executable, "-P", "-m", "testbed.labs.local.supervisor", str(output)]
            contained = ReapedProcess(argv, stdout=console, stderr=console, cwd=runtime, pass_fds=fds, remove=runtime)
            stack.callback(contained.release)
            ended = wait_for_end(
                contained,
                began_s=began_s,
                wall_limit_s=job.wall_limit_s,
                cancel=cancel,
                followers=followers,
                terminal=terminal,
            )
            warnings = log.complaints()
        if ended.wall_limit_hit:
            raise GuestTimeout(f"the command was ended after {job.wall_limit_s:g} s of real time")
        status = judge(output, contained.wait(), job.clock_limit_s)
        return JobResult(int(status["status"]), ended.wall_s, float(status["clock_s"]), warnings)


def prepare(job: Job, output: Path, *, has_terminal: bool) -> None:
    """Leave in the output directory what the supervisor needs to know."""
    request = {
        "argv": list(job.argv),
        "cwd": str(job.cwd),
        "env": {"PYTHONDONTWRITEBYTECODE": "1", **libraries.environment(), **job.env},
        "clock_limit_s": job.clock_limit_s,
        "terminal": has_terminal,
        "visible": visible(job),
    }
    lab_directory.prepare(output / FOLDER, request, beside=HOST_LOAD)


def visible(job: Job) -> list[str]:
    """What the job needs to see of what its scratch space hides: toolkit, libraries, Python, its working directory."""
    wanted = {sys.prefix, sys.base_prefix, str(Path(testbed.__file__).resolve().parents[1]), str(job.cwd)}
    wanted |= {*libraries.environment().values()}
    resolved = {str(Path(path).resolve()) for path in wanted} | wanted
    return sorted(path for path in resolved if any(path.startswith(f"{top}/") for top in mounts.SCRATCH))


def judge(output: Path, process_status: int, clock_limit_s: float) -> dict[str, Any]:
    """The status of a command that came to an end of its own; raises the fitting `LabError` otherwise."""
    status = read_status(output / STATUS_FILE)
    said = console_tail(output / FOLDER / "console.log").strip()
    if status is None:
        if process_status >= 128:
            raise GuestKilled(f"the command's first process was killed from outside (signal {process_status - 128})")
        last = said.splitlines()[-1] if said else f"status {process_status}"
        raise LabError(f"the local lab could not be set up: {last}", console=said)
    if status["reason"] in ("asleep", "clock-limit"):
        raise GuestTimeout(f"no end within {clock_limit_s:g} s", console="\n".join(status.get("waiting", ())))
    if status["reason"] == "supervisor":
        raise LabError(f"the local lab could not be set up: {status.get('error', 'no reason given')}", console=said)
    return status


@contextlib.contextmanager
def open_local_lab() -> Iterator[LocalLab]:
    """The lab; raises `PrerequisiteError` without root."""
    yield LocalLab()
