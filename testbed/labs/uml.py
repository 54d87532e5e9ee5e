"""The embedded lab: the lab kernel as an ordinary process (User-Mode Linux), with a virtual clock.

The guest's root is this machine's file system, read-only; the job's output directory is the one
window it can write through. With `time-travel=inf-cpu` its clock moves only when every process in
it is idle, so a result does not depend on how fast or how busy this machine is. No root needed.
Source: Documentation/virt/uml and arch/um/kernel/time.c of the kernel.
"""

from __future__ import annotations

import functools
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import testbed
from testbed.base.errors import PrerequisiteError, UsageError
from testbed.base.needs import Finding, Need
from testbed.labs import cores, features, guest_memory, lab_directory, libraries, runtime_directory
from testbed.labs.base import HERE, Cancel, Clock, Job, JobResult, Sink, discard
from testbed.labs.held_guests import HeldGuests
from testbed.labs.terminal import Terminal
from testbed.labs.verdict import CONSOLE_FILE, GuestExit, judge, kernel_warnings
from testbed.labs.waiting import Follower, wait_for_end
from testbed.process import run
from testbed.reaped_process import ReapedProcess
from testbed.subreaper import FIRST_FD

CLOCK_START_NS = 1_507_593_600 * 10**9  # 2017-10-10, the week of ICNP 2017
_MASKED = ("/tmp", "/run", "/var/tmp", "/dev/shm")
_STDIN_FILE = "guest/stdin"
OPTIONS_CURE = "add to kernel-patches/common/common.config, and run: testbed kernel build"
_MEMORY = "4G"  # with 512 MB the anycast point is slower and its results are wrong
# Mininet imports distutils, and setuptools, where it is installed, would bring all of itself: a second in a guest.
_PYTHON_ENV = {"SETUPTOOLS_USE_DISTUTILS": "stdlib"} if sys.version_info < (3, 12) else {}


def _toolkit_paths(job: Job) -> list[str]:
    """What the guest needs to see from under the directories that it hides."""
    wanted = {sys.prefix, sys.base_prefix, str(Path(testbed.__file__).resolve().parents[1]), str(job.cwd)}
    wanted |= {*libraries.environment().values()}
    resolved = {str(Path(path).resolve()) for path in wanted} | wanted
    masked = [p for p in resolved if any(p == top or p.startswith(top + "/") for top in _MASKED) and p not in _MASKED]
    for path in masked:
        if "," in path or "\n" in path:
            raise UsageError(f"{path}: the guest cannot see a path with a comma in it", hint="use another directory")
    return sorted(masked)


def _prepare_output(output: Path, job: Job, window_size: tuple[int, int] | None) -> None:
    request = {
        "argv": list(job.argv),
        "cwd": str(job.cwd),
        "env": {**_PYTHON_ENV, **libraries.environment(), **job.env},
        "clock_limit_s": job.clock_limit_s,
        "stdin": None if job.stdin is None else _STDIN_FILE,
        "terminal": window_size,
    }
    lab_directory.prepare(output / "guest", request)
    if job.stdin is not None:
        shutil.copyfile(job.stdin, output / _STDIN_FILE)


def _prepare_runtime(runtime: Path, output: Path, job: Job) -> None:
    (runtime / "window").symlink_to(output)
    (runtime / "python").write_text(sys.executable + "\n")
    (runtime / "expose").write_text("".join(f"{path}\n" for path in _toolkit_paths(job)))
    shutil.copyfile(Path(__file__).with_name("guest_init.sh"), runtime / "init")
    (runtime / "init").chmod(0o755)


@functools.cache
def _seccomp(image: Path) -> tuple[str, ...]:
    """The parameter with which a kernel that can (Linux 6.16 and later) holds its processes by seccomp filters.

    By ptrace, as where a filter cannot be installed, it is slower, and does the same: processes do not see the
    parameter, and every byte of a point is equal. The console says which of the two it was.
    """
    return ("seccomp=auto",) if "\nseccomp=" in run([image, "--help"], check=False).stdout else ()


def command_line(image: Path, job: Job, lines: tuple[str, str]) -> list[str]:
    """The guest's argv: the kernel image and its boot parameters.

    In virtual time nothing here may vary from run to run: processes see it, and a kernel without our patch 0005 mixes
    it into its random numbers. So the runtime directory is not named: it is the guest's working directory on the host.
    """
    clock = []
    if job.clock == "virtual":
        clock = ["time-travel=inf-cpu", f"time-travel-start={CLOCK_START_NS}", f"rng_seed={job.seed}"]
    return [
        str(image),
        *_seccomp(image),
        f"mem={_MEMORY}",
        "rootfstype=hostfs",
        "rootflags=/",
        "ro",
        "init=/proc/self/cwd/init",
        *clock,
        "con=null",
        "con0=null,fd:1",
        "ssl=null",
        f"ssl0={lines[0]}",
        f"ssl1={lines[1]}",
        "loglevel=5",
        "norandmaps",
        "uml_dir=./",
        "umid=guest",
    ]


class UmlLab:
    """A `Lab` that runs each job in a guest of its own, pinned to one core.

    A guest waits up to `core_wait_s` seconds for a core of its own, then shares one. `kernel_id` is the
    identity of the image's build, `manifest` what a run's record says of it, `options` the options (`CONFIG_IP_VS`)
    that it has, None if nobody knows.
    """

    name = "uml"
    machine = HERE
    clocks: tuple[Clock, ...] = ("virtual", "real")

    def __init__(
        self,
        image: Path,
        *,
        core_wait_s: float = math.inf,
        kernel_id: str = "",
        manifest: Mapping[str, Any] | None = None,
        options: Collection[str] | None = None,
    ) -> None:
        if not os.access(image, os.X_OK):
            raise PrerequisiteError(f"{image}: no such lab kernel", hint="run 'testbed kernel build'")
        guest_memory.require()
        self._image = image
        self._guests = HeldGuests()
        self._core_wait_s = core_wait_s
        self._kernel_id = kernel_id
        self._manifest = dict(manifest or {})
        self._options = options

    @property
    def width(self) -> int:
        """One guest per core."""
        return len(cores.available())

    def facts(self) -> Mapping[str, Any]:
        """The manifest of the lab kernel's build."""
        return {"kernel": self._manifest}

    def require(self, needs: Collection[Need], cancel: Cancel | None = None) -> None:
        """Raise `PrerequisiteError` for options that the lab kernel lacks, programs that this machine lacks, and what
        else does not work (see `probe`)."""
        libraries.require(needs)
        where = f"the uml lab (lab kernel {self._kernel_id})" if self._kernel_id else "the uml lab"
        features.require(self.probe(needs, cancel), where, elsewhere="")

    def probe(self, needs: Collection[Need], cancel: Cancel | None = None) -> list[Finding]:
        """What the kernel's options and this machine's programs say, and for what else must be tried, a guest.

        An option that the kernel has is believed to work, and sysctls are left to the point, which reads them back.
        Of a library, that it is there: programs are this machine's own, and who has built it here can load it here.
        """
        ours, others = libraries.split(needs)
        tried = [need for need in others if need.probe and not need.kernel_options]
        said = features.static_findings([need for need in others if need not in tried], self._options, OPTIONS_CURE)
        return said + libraries.find(ours) + features.probe(tried, features.as_job(self, "virtual", cancel))

    def holding(self) -> AbstractContextManager[None]:
        """Hold the guests in virtual time until the block ends; they do not notice."""
        return self._guests.holding()

    def run(
        self, job: Job, *, stdout: Sink = discard, stderr: Sink = discard, cancel: Cancel | None = None
    ) -> JobResult:
        """Boot a guest, run the job in it and bring its output back (see `Lab`)."""
        return self._run(job, stdout=stdout, stderr=stderr, cancel=cancel or Cancel(), terminal=None)

    def interact(self, job: Job, terminal: Terminal) -> JobResult:
        """Run the job with the user's terminal as its own."""
        return self._run(job, stdout=discard, stderr=discard, cancel=Cancel(), terminal=terminal)

    def _run(self, job: Job, *, stdout: Sink, stderr: Sink, cancel: Cancel, terminal: Terminal | None) -> JobResult:
        cancel.raise_if_set()
        with ExitStack() as stack:
            core = stack.enter_context(cores.lease(cancel, self._core_wait_s))
            began_s = time.monotonic()
            output = job.output.resolve()
            guest_dir = output / "guest"
            try:
                _prepare_output(output, job, terminal.size() if terminal else None)
                paths = (output / CONSOLE_FILE, guest_dir / "stdout", guest_dir / "stderr")
                console, out, err = (stack.enter_context(lab_directory.begin(path)) for path in paths)
            except OSError as error:
                raise lab_directory.cannot_write(Path(error.filename or output), error) from error
            try:
                # As late as can be: until its subreaper runs, a SIGKILL leaves it behind.
                runtime = runtime_directory.make()
                stack.callback(shutil.rmtree, runtime, ignore_errors=True)
                _prepare_runtime(runtime, output, job)
            except OSError as error:
                raise PrerequisiteError(
                    f"{error.filename or tempfile.gettempdir()}: cannot be written: {error.strerror}",
                    hint="set TMPDIR to another directory",
                ) from error
            followers = [Follower(guest_dir / "stdout", stdout), Follower(guest_dir / "stderr", stderr)]
            for follower in followers:
                stack.callback(follower.close)
            if terminal:
                line = stack.enter_context(terminal.attach("raw"))
                fds, lines = [line], (f"fd:{FIRST_FD}", "null")
            else:
                fds, lines = [out.fileno(), err.fileno()], (f"null,fd:{FIRST_FD}", f"null,fd:{FIRST_FD + 1}")
            guest = ReapedProcess(
                command_line(self._image, job, lines),
                stdout=console,
                stderr=console,
                cwd=runtime,
                core=core,
                pass_fds=fds,
                remove=runtime,
            )
            stack.callback(guest.release)
            if job.clock == "virtual":
                stack.enter_context(self._guests.running(guest))
            ended = wait_for_end(
                guest,
                began_s=began_s,
                wall_limit_s=job.wall_limit_s,
                cancel=cancel,
                followers=followers,
                terminal=terminal,
            )
        end = GuestExit(guest.wait(), ended.wall_limit_hit, job.wall_limit_s, job.clock_limit_s)
        status = judge(job.output, end)
        warnings = kernel_warnings(job.output)
        return JobResult(
            status=int(status["status"]),
            wall_s=ended.wall_s,
            clock_s=float(status["clock_s"]),
            kernel_warnings=warnings,
            kernel=self._kernel_id,
        )
