"""What a guest sees: this machine's files, read-only, with file systems of its own over what programs write to.

The first program of a guest calls it, on the read-only root that the kernel has mounted. By one process: each program
that a guest starts costs as much as all of the mounts. It makes the same number of processes whatever the paths are:
process ids and random numbers must not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from testbed.labs.mount import RDONLY, mount

OUT = Path("/run/testbed/out")
"""The job's output directory, the one window through which a guest can write."""

# The working directory of the guest's process on the host; until /proc is the guest's own, it is the host's.
_RUNTIME = Path("/proc/self/cwd")


def exposed(runtime: Path) -> list[str]:
    """What the toolkit needs from under the directories that a guest hides, as the lab has noted it."""
    return (runtime / "expose").read_text(errors="surrogateescape").splitlines()


def lay() -> None:
    """Lay the mounts of a guest of the uml lab, whose kernel opens this machine's files itself; raises OSError."""
    lay_over(
        exposed(_RUNTIME),
        # The kernel, which is that process, opens the path itself.
        window=lambda target: mount("none", target, "hostfs", data=f"{_RUNTIME}/window"),
        expose=lambda path: mount("none", path, "hostfs", RDONLY, data=path),
    )


def lay_over(paths: Sequence[str], *, window: Callable[[str], None], expose: Callable[[str], None]) -> None:
    """Lay the mounts; /tmp, /run and the like are empty, but for `paths`, what the toolkit needs from under them.

    `window` mounts the job's output directory, and comes before anything is hidden but /run; `expose` mounts a path of
    this machine, read-only. Raises OSError.
    """
    mount("proc", "/proc", "proc")
    mount("sysfs", "/sys", "sysfs")
    if " /dev devtmpfs " not in Path("/proc/mounts").read_text():  # some kernels do it themselves
        mount("devtmpfs", "/dev", "devtmpfs")
    for folder in ("/dev/pts", "/dev/shm"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    mount("devpts", "/dev/pts", "devpts")
    mount("tmpfs", "/dev/shm", "tmpfs")
    mount("tmpfs", "/run", "tmpfs", data="mode=755")
    for folder in ("/run/netns", "/run/lock", str(OUT)):
        Path(folder).mkdir(parents=True)
    window(str(OUT))
    for folder in ("/tmp", "/var/tmp"):
        mount("tmpfs", folder, "tmpfs", data="mode=1777")
    if Path("/sys/fs/cgroup").is_dir():
        mount("cgroup2", "/sys/fs/cgroup", "cgroup2")
    for path in paths:
        Path(path).mkdir(parents=True, exist_ok=True)
    for path in paths:
        expose(path)
