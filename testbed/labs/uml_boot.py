"""What a guest of the embedded lab is started with: its files, and its kernel's parameters."""

from __future__ import annotations

import functools
import shutil
import sys
from pathlib import Path

import testbed
from testbed.base.errors import UsageError
from testbed.lab_clock import SEED_FILE
from testbed.labs import lab_directory, libraries
from testbed.labs.base import Job
from testbed.process import run

CLOCK_START_NS = 1_507_593_600 * 10**9  # 2017-10-10, the week of ICNP 2017
BOOT_SEED = 1
"""The seed of what a guest draws before its program sets the job's own, where its kernel can take another one."""

_INIT = Path(__file__).with_name("guest_init.sh")
_MASKED = ("/tmp", "/run", "/var/tmp", "/dev/shm")
_STDIN_FILE = "guest/stdin"
_MEMORY = "4G"  # with 512 MB the anycast point is slower and its results are wrong
# Mininet imports distutils, and setuptools, where it is installed, would bring all of itself: a second in a guest.
_PYTHON_ENV = {"SETUPTOOLS_USE_DISTUTILS": "stdlib"} if sys.version_info < (3, 12) else {}


def toolkit_paths(job: Job) -> list[str]:
    """What the guest needs to see from under the directories that it hides."""
    wanted = {sys.prefix, sys.base_prefix, str(Path(testbed.__file__).resolve().parents[1]), str(job.cwd)}
    wanted |= {*libraries.environment().values()}
    resolved = {str(Path(path).resolve()) for path in wanted} | wanted
    masked = [p for p in resolved if any(p == top or p.startswith(top + "/") for top in _MASKED) and p not in _MASKED]
    for path in masked:
        if "," in path or "\n" in path:
            raise UsageError(f"{path}: the guest cannot see a path with a comma in it", hint="use another directory")
    return sorted(masked)


def prepare_output(output: Path, job: Job, window_size: tuple[int, int] | None = None) -> None:
    """Begin the lab's folder in a job's output directory; raises OSError, or what `lab_directory.prepare` does."""
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


def prepare_runtime(runtime: Path, output: Path, job: Job, init: Path = _INIT) -> None:
    """Lay in a guest's working directory what it begins with (`init`), and the way to its output; raises OSError."""
    (runtime / "window").symlink_to(output)
    (runtime / "python").write_text(sys.executable + "\n")
    (runtime / "expose").write_text("".join(f"{path}\n" for path in toolkit_paths(job)))
    shutil.copyfile(init, runtime / "init")
    (runtime / "init").chmod(0o755)


@functools.cache
def _help(image: Path) -> str:
    """What a kernel says of its parameters: whether it has one depends on its release and its patches."""
    return "\n" + run([image, "--help"], check=False).stdout


def can_be_template(image: Path) -> bool:
    """Whether copies can be made of the kernel's guests (patch 0014)."""
    return "\ntemplate=" in _help(image)


def _seccomp(image: Path) -> tuple[str, ...]:
    """The parameter with which a kernel that can (Linux 6.16 and later) holds its processes by seccomp filters.

    By ptrace, as where a filter cannot be installed, it is slower, and does the same: processes do not see the
    parameter, and every byte of a point is equal. The console says which of the two it was.
    """
    return ("seccomp=auto",) if "\nseccomp=" in _help(image) else ()


def _first_seed(image: Path, seed: int) -> int:
    """The seed at the boot: where the guest can set the job's own later (patch 0013), it is the same for all jobs.

    So a copy of a guest that stood still is like a guest that was booted for its job.
    """
    return BOOT_SEED if SEED_FILE in _help(image) else seed


def command_line(image: Path, job: Job, lines: tuple[str, str]) -> list[str]:
    """The guest's argv: the kernel image and its boot parameters.

    In virtual time nothing here may vary from run to run: processes see it, and a kernel without our patch 0005 mixes
    it into its random numbers. So the runtime directory is not named: it is the guest's working directory on the host.
    """
    clock = []
    if job.clock == "virtual":
        clock = [
            "time-travel=inf-cpu",
            f"time-travel-start={CLOCK_START_NS}",
            f"rng_seed={_first_seed(image, job.seed)}",
        ]
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
