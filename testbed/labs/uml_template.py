"""One boot for many jobs: a guest that stands still, the template, and for each job a copy of it that goes on.

The program is started once, up to where it stands still (`testbed.template`). A copy begins with the template's memory,
clock and random numbers, whatever ran before, and ends as a guest of its own does. A template makes one copy at a time
and does nothing meanwhile, so both have the same core. If it is lost, only the job of its copy is: the next job has
another one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from testbed import template
from testbed.base.errors import LabError
from testbed.labs import lab_directory, runtime_directory
from testbed.labs.base import Cancel, Job
from testbed.labs.guest_cores import GuestCores
from testbed.labs.held_guests import HeldGuests
from testbed.labs.uml_boot import BOOT_SEED, command_line, prepare_output, prepare_runtime
from testbed.labs.verdict import CONSOLE_FILE
from testbed.labs.waiting import Ended, Follower, wait_for_end
from testbed.reaped_process import ReapedProcess
from testbed.subreaper import FIRST_FD

LOGS = (CONSOLE_FILE, "guest/stdout", "guest/stderr")
"""What a guest writes on its serial lines, below a job's output directory."""

_CONSOLE = 1  # a guest's standard output is its console
_REQUEST = f"{_CONSOLE} {FIRST_FD} {FIRST_FD + 1}".encode()
_STATUS_BYTES = 4
_MOST_BYTES = 1 << 16
_LOST = 255


@dataclass(frozen=True)
class CopyEnd:
    """The end of a copy: its process's exit status (128 + N after signal N), and its place among the boot's, from 1."""

    status: int
    ended: Ended
    number: int


class Template:
    """A guest that stands still with a program of which jobs want copies."""

    def __init__(self, image: Path, job: Job, cancel: Cancel, cores: GuestCores, guests: HeldGuests) -> None:
        self.program = _program(job)
        self._copies = 0
        self._stack = ExitStack()
        with ExitStack() as stack:
            core = stack.enter_context(cores.lease("virtual", cancel))
            self._runtime = runtime_directory.make()
            stack.callback(shutil.rmtree, self._runtime, ignore_errors=True)
            output = self._runtime / "output"
            mine = replace(job, output=output, env={**job.env, template.VARIABLE: template.FILE}, seed=BOOT_SEED)
            prepare_output(output, mine)
            prepare_runtime(self._runtime, output, mine)
            with ExitStack() as logs:
                console, out, err = (logs.enter_context(lab_directory.begin(output / name)) for name in LOGS)
                # The directory goes with the guest; why it went is to be read all the same.
                self._console, self._errors = (stack.enter_context((output / LOGS[n]).open("rb")) for n in (0, 2))
                self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                stack.callback(self._socket.close)
                logs.callback(theirs.close)
                argv = command_line(image, mine, (f"null,fd:{FIRST_FD}", f"null,fd:{FIRST_FD + 1}"))
                self._guest = ReapedProcess(
                    [*argv, f"template={FIRST_FD + 2}"],
                    stdout=console,
                    stderr=console,
                    cwd=self._runtime,
                    core=core,
                    pass_fds=[out.fileno(), err.fileno(), theirs.fileno()],
                    remove=self._runtime,
                )
            stack.callback(self._guest.release)
            stack.enter_context(guests.running(self._guest))
            self._stack = stack.pop_all()
        self.is_lost = False

    def run(self, job: Job, logs: Sequence[int], followers: Sequence[Follower], cancel: Cancel) -> CopyEnd:
        """Have a copy run the job, whose output is prepared; `logs` are its open console, stdout and stderr.

        Raises `RunInterrupted`, and `LabError` for a program that does not stand still.
        """
        began_s = time.monotonic()
        self._copies += 1
        copy = _Copy(self)
        try:
            directory = self._directory_of(job)
        except FileNotFoundError:  # it went with the guest
            self.is_lost = True
        else:
            with contextlib.suppress(OSError):  # that it has ended is found out below
                socket.send_fds(self._socket, [_REQUEST], [directory, *logs])
            os.close(directory)
        ended = wait_for_end(
            copy,
            began_s=began_s,
            wall_limit_s=job.wall_limit_s,
            cancel=cancel,
            followers=followers,
            terminal=None,
        )
        if self.is_lost and copy.status == 0:
            said = self._errors.read(_MOST_BYTES).decode(errors="replace").strip().rpartition("\n")[2]
            what = f"the program did not stand still for copies: {said or 'no message'}"
            raise LabError(what, console=self.console().decode(errors="replace"))
        return CopyEnd(copy.status, ended, self._copies)

    @property
    def is_there(self) -> bool:
        """Whether it still stands there: the kernel may have killed it for lack of memory, say."""
        return not self.is_lost and self._guest.poll() is None

    def _directory_of(self, job: Job) -> int:
        """The working directory of a copy that does the job, open; raises FileNotFoundError if the guest has ended."""
        own = self._runtime / "copy"
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(own)
        own.mkdir()
        (own / "window").symlink_to(job.output.resolve())
        return os.open(own, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def console(self) -> bytes:
        """What the guest's kernel has said until it stood still."""
        self._console.seek(0)
        return self._console.read(_MOST_BYTES)

    def answer(self) -> int | None:
        """The exit status of the copy that ran, None while it does; of the template itself if that is lost."""
        if not self.is_lost:
            try:
                status = self._socket.recv(_STATUS_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
            except OSError:
                status = b""
            if status:
                code = os.waitstatus_to_exitcode(int.from_bytes(status, sys.byteorder, signed=True))
                return code if code >= 0 else 128 - code
            self.is_lost = True
        return self._guest.poll()

    def close(self) -> None:
        """End the template and a copy that runs; safe to call twice."""
        self.is_lost = True
        self._stack.close()


class _Copy:
    """The process of a copy, as far as the wait for its end is concerned."""

    def __init__(self, of: Template) -> None:
        self._template = of
        self.status = _LOST

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""
        status = self._template.answer()
        self.status = _LOST if status is None else status
        return status

    def release(self) -> None:
        """End it, and the template with it."""
        self._template.close()


class Templates:
    """The templates of a lab: one for each job at a time, kept for the jobs that follow.

    Each has one of the lab's `cores`, and is held, with its copy, when the lab's other `guests` are.
    """

    def __init__(self, image: Path, cores: GuestCores, guests: HeldGuests) -> None:
        self._image = image
        self._cores = cores
        self._guests = guests
        self._idle: list[Template] = []
        self._lock = threading.Lock()

    def run(self, job: Job, logs: Sequence[int], followers: Sequence[Follower], cancel: Cancel) -> CopyEnd:
        """Have a copy of a template run the job (see `Template.run`)."""
        found = self._take(job) or Template(self._image, job, cancel, self._cores, self._guests)
        try:
            # A console begins with the boot, whoever booted.
            os.write(logs[0], found.console())
            return found.run(job, logs, followers, cancel)
        finally:
            if found.is_lost:
                found.close()
            else:
                with self._lock:
                    self._idle.append(found)

    def close(self) -> None:
        """End those that stand idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for each in idle:
            each.close()

    def _take(self, job: Job) -> Template | None:
        """An idle template of the job's program; others end, or their cores would be lost for the job, and so do those
        that somebody has killed."""
        with self._lock:
            idle, self._idle = self._idle, []
            wanted = [each for each in idle if each.program == _program(job) and each.is_there]
            self._idle = wanted[1:]
        for each in idle:
            if each not in wanted:
                each.close()
        return wanted[0] if wanted else None


def _program(job: Job) -> tuple[object, ...]:
    """What jobs have in common that can have the same template."""
    return (job.argv, job.cwd, tuple(sorted(job.env.items())))
