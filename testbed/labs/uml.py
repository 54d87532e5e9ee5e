"""The embedded lab: the lab kernel as an ordinary process (User-Mode Linux), with a virtual clock.

The guest's root is this machine's file system, read-only; the job's output directory is the one
window it can write through. With `time-travel=inf-cpu` its clock moves only when every process in
it is idle, so a result does not depend on how fast or how busy this machine is. No root needed.
Source: Documentation/virt/uml and arch/um/kernel/time.c of the kernel.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from testbed.base.errors import PrerequisiteError
from testbed.base.needs import Finding, Need
from testbed.labs import cores, features, guest_memory, lab_directory, libraries, runtime_directory
from testbed.labs.base import HERE, Cancel, Clock, Job, JobResult, Sink, discard
from testbed.labs.guest_cores import GuestCores
from testbed.labs.held_guests import HeldGuests
from testbed.labs.terminal import Terminal
from testbed.labs.uml_boot import can_be_template, command_line, prepare_output, prepare_runtime
from testbed.labs.uml_template import LOGS, Templates
from testbed.labs.verdict import GuestExit, judge, kernel_warnings
from testbed.labs.waiting import Ended, Follower, wait_for_end
from testbed.reaped_process import ReapedProcess
from testbed.subreaper import FIRST_FD

OPTIONS_CURE = "add to kernel-patches/common/common.config, and run: testbed kernel build"


class UmlLab:
    """A `Lab` that runs each job in a guest of its own, pinned to one core.

    A guest waits up to `core_wait_s` seconds for a core (`GuestCores`). `kernel_id` is the identity of the image's
    build, `manifest` what a run's record says of it, `options` the options (`CONFIG_IP_VS`) that it has, None if
    nobody knows. With `shared_boot`, jobs whose program can stand still are copies of one guest; until `close`, those
    guests stand by. `report` is told where a guest waits for a core that other runs have.
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
        shared_boot: bool = False,
        report: Callable[[str], None] = lambda _what: None,
    ) -> None:
        if not os.access(image, os.X_OK):
            raise PrerequisiteError(f"{image}: no such lab kernel", hint="run 'testbed kernel build'")
        guest_memory.require()
        if shared_boot and not can_be_template(image):
            what = f"lab kernel {kernel_id or image}: its guests cannot share a boot"
            raise PrerequisiteError(what, hint="one with the patches of this toolkit can: testbed kernel build")
        self._image = image
        self._guests = HeldGuests()
        self._cores = GuestCores(core_wait_s, report)
        self._templates = Templates(image, self._cores, self._guests) if shared_boot else None
        self._kernel_id = kernel_id
        self._manifest = dict(manifest or {})
        self._options = options

    @property
    def width(self) -> int:
        """One guest per core."""
        return len(cores.available())

    def facts(self) -> Mapping[str, Any]:
        """The manifest of the lab kernel's build, and whether jobs share boots."""
        return {"kernel": self._manifest, **({"shared_boot": True} if self._templates else {})}

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

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Hold the guests in virtual time, and copies of them, until the block ends; they do not notice."""
        with self._guests.holding():
            yield

    @contextlib.contextmanager
    def pausing(self, output: Path) -> Iterator[None]:
        """Hold the guest in real time of the job with this output until the block ends."""
        with self._guests.pausing(output):
            yield

    def run(
        self, job: Job, *, stdout: Sink = discard, stderr: Sink = discard, cancel: Cancel | None = None
    ) -> JobResult:
        """Boot a guest, run the job in it and bring its output back (see `Lab`)."""
        return self._run(job, stdout=stdout, stderr=stderr, cancel=cancel or Cancel(), terminal=None)

    def close(self) -> None:
        """End the guests that stand by for more jobs."""
        if self._templates:
            self._templates.close()

    def interact(self, job: Job, terminal: Terminal) -> JobResult:
        """Run the job with the user's terminal as its own."""
        return self._run(job, stdout=discard, stderr=discard, cancel=Cancel(), terminal=terminal)

    def _run(self, job: Job, *, stdout: Sink, stderr: Sink, cancel: Cancel, terminal: Terminal | None) -> JobResult:
        cancel.raise_if_set()
        if self._templates and job.stands_still and not terminal:
            with self._logs(job, None, (stdout, stderr), cancel) as (logs, followers):
                end = self._templates.run(job, [log.fileno() for log in logs], followers, cancel)
            return self._result(job, end.status, end.ended, copy=end.number)
        with ExitStack() as stack:
            core = stack.enter_context(self._cores.lease(job.clock, cancel))
            began_s = time.monotonic()
            size = terminal.size() if terminal else None
            (console, out, err), followers = stack.enter_context(self._logs(job, size, (stdout, stderr), cancel))
            try:
                # As late as can be: until its subreaper runs, a SIGKILL leaves it behind.
                runtime = runtime_directory.make()
                stack.callback(shutil.rmtree, runtime, ignore_errors=True)
                prepare_runtime(runtime, job.output.resolve(), job)
            except OSError as error:
                raise PrerequisiteError(
                    f"{error.filename or tempfile.gettempdir()}: cannot be written: {error.strerror}",
                    hint="set TMPDIR to another directory",
                ) from error
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
            stack.enter_context(
                self._guests.running(guest)
                if job.clock == "virtual"
                else self._guests.running_in_real_time(guest, job.output)
            )
            ended = wait_for_end(
                guest,
                began_s=began_s,
                wall_limit_s=job.wall_limit_s,
                cancel=cancel,
                followers=followers,
                terminal=terminal,
            )
        return self._result(job, guest.wait(), ended)

    @contextlib.contextmanager
    def _logs(
        self, job: Job, window_size: tuple[int, int] | None, sinks: tuple[Sink, Sink], cancel: Cancel
    ) -> Iterator[tuple[list[IO[bytes]], list[Follower]]]:
        """What a guest writes on its lines, open until the block ends, and those who pass on the last two."""
        output = job.output.resolve()
        with ExitStack() as stack:
            try:
                prepare_output(output, job, window_size)
                logs = [stack.enter_context(lab_directory.begin(output / name)) for name in LOGS]
            except OSError as error:
                raise lab_directory.cannot_write(Path(error.filename or output), error) from error
            followers = [Follower(output / name, sink, cancel) for name, sink in zip(LOGS[1:], sinks, strict=True)]
            for follower in followers:
                stack.callback(follower.close)
            yield logs, followers

    def _result(self, job: Job, process_status: int, ended: Ended, *, copy: int = 0) -> JobResult:
        end = GuestExit(process_status, ended.wall_limit_hit, job.wall_limit_s, job.clock_limit_s)
        status = judge(job.output, end)
        return JobResult(
            status=int(status["status"]),
            wall_s=ended.wall_s,
            clock_s=float(status["clock_s"]),
            kernel_warnings=kernel_warnings(job.output),
            kernel=self._kernel_id,
            copy=copy,
        )
