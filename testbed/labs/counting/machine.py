"""The machine: runs a job under the patched x86-64 kernel in QEMU, which counts the instructions.

QEMU translates the code (TCG), so it takes no KVM, no root and no counters of the hardware. `-icount` ties the
machine's clock to what it executes, a nanosecond an instruction, and an idle machine's clock
goes to the next timer at once: a result does not depend on how fast or how busy this machine is. It sees this machine's
files read-only (9p), writes into the job's output directory, and has no network but the namespaces that the job makes.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from testbed.base.errors import PrerequisiteError, UsageError
from testbed.base.needs import Need
from testbed.kernel import build
from testbed.kernel.cache import Kernel, default_cache
from testbed.kernel.flavour import X86_64
from testbed.labs import features, lab_directory, libraries, runtime_directory
from testbed.labs.base import Cancel, Job, JobResult, Sink, discard
from testbed.labs.counting import counter, marks
from testbed.labs.counting.guest import OUT_TAG, ROOT_OPTIONS
from testbed.labs.counting.marks import Executed
from testbed.labs.uml_boot import prepare_output, prepare_runtime
from testbed.labs.uml_template import LOGS
from testbed.labs.verdict import GuestExit, judge, kernel_warnings
from testbed.labs.waiting import Follower, wait_for_end
from testbed.reaped_process import ReapedProcess

OPTIONS_CURE = "add to kernel-patches/common/common.config, and run: testbed kernel build --flavour x86_64"

_INIT = Path(__file__).with_name("guest_init.sh")
_COUNTS = "instructions"
_MEMORY_MIB = 2048
# An ordinary 64-bit processor without fast string instructions, of which QEMU would count every byte that they move.
_PROCESSOR = "qemu64"


@dataclass(frozen=True)
class Counted:
    """How a job ended, and what had been executed at each of its marks."""

    result: JobResult
    marks: tuple[Executed, ...]


@dataclass(frozen=True)
class Machine:
    """A kernel and a counter, with which jobs can be run."""

    kernel: Kernel
    counter: Path

    def require(self, needs: Collection[Need]) -> None:
        """Raise `PrerequisiteError`, naming all that is missing: options of the kernel, programs of this machine."""
        _, others = libraries.split(needs)
        said = features.static_findings(list(others), self.kernel.options(), OPTIONS_CURE)
        features.require(said, f"the machine that counts (kernel {self.kernel.id})", elsewhere="")

    def run(self, job: Job, *, stdout: Sink = discard, stderr: Sink = discard, cancel: Cancel | None = None) -> Counted:
        """Boot the machine, run the job to its end and bring its output and the counts back.

        Raises `LabError` (or a subclass) if the machine, not the job, failed.
        """
        cancel, output = cancel or Cancel(), job.output.resolve()
        cancel.raise_if_set()
        with ExitStack() as stack:
            began_s = time.monotonic()
            runtime = runtime_directory.make()
            stack.callback(shutil.rmtree, runtime, ignore_errors=True)
            prepare_output(output, job)
            prepare_runtime(runtime, output, job, _INIT)
            console, *_ = [stack.enter_context(lab_directory.begin(output / name)) for name in LOGS]
            sinks = zip(LOGS[1:], (stdout, stderr), strict=True)
            followers = [Follower(output / name, sink, cancel) for name, sink in sinks]
            for follower in followers:
                stack.callback(follower.close)
            guest = ReapedProcess(
                command_line(self.kernel.image, self.counter, runtime, job.seed),
                stdout=console,
                stderr=console,
                cwd=runtime,
                remove=runtime,
            )
            stack.callback(guest.release)
            ended = wait_for_end(
                guest,
                began_s=began_s,
                wall_limit_s=job.wall_limit_s,
                cancel=cancel,
                followers=followers,
                terminal=None,
            )
        end = GuestExit(guest.wait(), ended.wall_limit_hit, job.wall_limit_s, job.clock_limit_s)
        status = judge(output, end)
        result = JobResult(
            status["status"], ended.wall_s, status["clock_s"], kernel_warnings(output), kernel=self.kernel.id
        )
        return Counted(result, tuple(marks.read(output / "guest" / _COUNTS)))


def find() -> Machine:
    """The machine with what is in the cache; the counter is built if it must be. Raises `PrerequisiteError`."""
    counter.qemu_version()
    kernel = build.find(flavour=X86_64)
    if kernel is None:
        raise PrerequisiteError(
            "the x86-64 kernel is not built, and it is its instructions that are counted",
            hint="run: testbed kernel build --flavour x86_64 (it needs Debian's libelf-dev)",
        )
    return Machine(kernel, counter.ensure(default_cache()))


def command_line(image: Path, plugin: Path, runtime: Path, seed: int) -> list[str]:
    """QEMU's argv, for `runtime` as its working directory, whose `window` leads to the job's output."""
    if '"' in str(runtime) or "," in str(plugin):
        raise UsageError(
            f"{runtime}, {plugin}: QEMU cannot be told of a path like this", hint="set TMPDIR and TESTBED_CACHE"
        )
    return [
        counter.QEMU, "-name", "testbed-counting", "-nodefaults", "-no-user-config", "-display", "none", "-M", "q35",
        "-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-cpu", _PROCESSOR,
        "-smp", "1", "-m", str(_MEMORY_MIB), "-no-reboot",
        "-plugin", f"{plugin},counts=window/guest/{_COUNTS}",
        # Neither this machine's clock nor its random numbers reach the guest.
        "-rtc", "base=2017-10-10T00:00:00,clock=vm", "-seed", str(seed % (1 << 32)),
        *_files("root", "/", "readonly=on,multidevs=remap"), *_files(OUT_TAG, "window"),
        "-serial", f"file:window/{LOGS[1]}", "-serial", f"file:window/{LOGS[2]}",
        # QEMU itself writes there, too.
        "-chardev", f"file,id=console,path=window/{LOGS[0]},append=on", "-serial", "chardev:console",
        "-kernel", str(image), "-append", " ".join(_kernel_parameters(runtime)),
    ]  # fmt: skip


def _files(tag: str, path: str, *more: str) -> list[str]:
    share = ",".join(("local", f"id={tag}", f"path={path}", "security_model=none", *more))
    return ["-fsdev", share, "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]


def _kernel_parameters(runtime: Path) -> Sequence[str]:
    return (
        "root=root",
        "rootfstype=9p",
        f"rootflags={ROOT_OPTIONS}",
        "ro",
        f'init="{runtime}/init"',
        "console=ttyS2",
        "loglevel=5",
        "panic=-1",
        "norandmaps",
        # The clock is that of `-icount`: it need not be measured, and nothing can be wrong with it.
        "tsc=reliable",
        "clocksource=tsc",
    )
