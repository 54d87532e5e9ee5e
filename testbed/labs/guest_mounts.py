"""What a guest sees: this machine's files, read-only, with file systems of its own over what programs write to.

The first program of a guest calls it, on the read-only root that the kernel has mounted. By one process: each program
that a guest starts costs as much as all of the mounts. It makes the same number of processes whatever the paths are:
process ids and random numbers must not depend on them.
"""

from __future__ import annotations

from pathlib import Path

from testbed.labs.mount import RDONLY, mount

OUT = Path("/run/testbed/out")
"""The job's output directory, the one window through which a guest can write."""

# The working directory of the guest's process on the host; until /proc is the guest's own, it is the host's.
_RUNTIME = Path("/proc/self/cwd")


def lay() -> None:
    """Lay the mounts; /tmp, /run and the like are empty, but for what the toolkit needs from under them, read-only.

    Raises OSError.
    """
    exposed = (_RUNTIME / "expose").read_text(errors="surrogateescape").splitlines()
    mount("proc", "/proc", "proc")
    mount("sysfs", "/sys", "sysfs")
    mount("devtmpfs", "/dev", "devtmpfs")
    for folder in ("/dev/pts", "/dev/shm"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    mount("devpts", "/dev/pts", "devpts")
    mount("tmpfs", "/dev/shm", "tmpfs")
    mount("tmpfs", "/run", "tmpfs", data="mode=755")
    for folder in ("/run/netns", "/run/lock", str(OUT)):
        Path(folder).mkdir(parents=True)
    # The kernel, which is that process, opens the path itself.
    mount("none", str(OUT), "hostfs", data=f"{_RUNTIME}/window")
    for folder in ("/tmp", "/var/tmp"):
        mount("tmpfs", folder, "tmpfs", data="mode=1777")
    if Path("/sys/fs/cgroup").is_dir():
        mount("cgroup2", "/sys/fs/cgroup", "cgroup2")
    for path in exposed:
        Path(path).mkdir(parents=True, exist_ok=True)
    for path in exposed:
        mount("none", path, "hostfs", RDONLY, data=path)
