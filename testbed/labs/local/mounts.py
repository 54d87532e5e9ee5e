"""What a job in the local lab sees of this machine's files: everything read-only, but its output and scratch space.

Called in a mount namespace of the job's own, so nothing here is seen outside it, and all of it is gone with the
last process in it. Raises OSError with the path.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

from testbed.labs.mount import BIND, NODEV, NOEXEC, NOSUID, PRIVATE, RDONLY, REC, mount

SCRATCH = ("/tmp", "/run", "/var/tmp", "/dev/shm")
"""Directories that a job gets for itself, empty: an ordinary program's scratch space, and `ip netns`'s names."""

_AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = -100, 0x8000, 1
_MOUNT_SETATTR = 442  # the same number on every architecture, Linux 5.12 and later

_SYSRQ = "/proc/sysrq-trigger"

_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def mount_all(output: Path, visible: Sequence[Path]) -> None:
    """Lay the mounts: `output` can be written, `visible` stays in view where scratch space would hide it.

    Sysctls are read-only but for those of the network namespace: the kernel shows a namespace none that belong to
    the whole machine, or shows them read-only (net/sysctl_net.c).
    """
    paths = [*sorted(set(visible)), output]
    handles = [os.open(path, os.O_PATH | os.O_CLOEXEC) for path in paths]
    mount(None, "/", None, PRIVATE | REC)
    _set_read_only("/", recursive=True)
    mount("proc", "/proc", "proc", NOSUID | NODEV | NOEXEC)
    mount("sysfs", "/sys", "sysfs", RDONLY | NOSUID | NODEV | NOEXEC)
    mount("devpts", "/dev/pts", "devpts", NOSUID | NOEXEC, data="newinstance,ptmxmode=0666,mode=620")
    for directory in SCRATCH:
        if Path(directory).is_dir() and not Path(directory).is_symlink():
            mode = "755" if directory == "/run" else "1777"
            mount("tmpfs", directory, "tmpfs", NOSUID | NODEV, data=f"mode={mode}")
    for directory in ("/run/netns", "/run/lock"):
        Path(directory).mkdir(parents=True, exist_ok=True)
    for path, handle in zip(paths, handles, strict=True):
        if not path.exists():
            path.mkdir(parents=True)
        mount(f"/proc/self/fd/{handle}", str(path), None, BIND)
        os.close(handle)
    _set_read_only(str(output), read_only=False)
    mount("/proc/sys", "/proc/sys", None, BIND)
    mount("/proc/sys/net", "/proc/sys/net", None, BIND)
    _set_read_only("/proc/sys")
    if Path(_SYSRQ).exists():
        mount(_SYSRQ, _SYSRQ, None, BIND)
        _set_read_only(_SYSRQ)


def _set_read_only(path: str, *, read_only: bool = True, recursive: bool = False) -> None:
    """Only the mount itself, not what is mounted below it, unless `recursive`."""
    attributes = _MountAttr(**{"attr_set" if read_only else "attr_clr": _MOUNT_ATTR_RDONLY})
    flags = _AT_RECURSIVE if recursive else 0
    size = ctypes.sizeof(attributes)
    if _libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), flags, ctypes.byref(attributes), size) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
