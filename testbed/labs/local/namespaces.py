"""Namespaces of one's own, with a first process that cannot outlive the one that made them."""

from __future__ import annotations

import ctypes
import os
import select
import signal
from collections.abc import Callable

_NEW_MOUNTS, _NEW_HOST_NAME, _NEW_IPC, _NEW_PIDS, _NEW_NETWORK = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
_ALL = _NEW_MOUNTS | _NEW_HOST_NAME | _NEW_IPC | _NEW_PIDS | _NEW_NETWORK  # include/uapi/linux/sched.h
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def run_first(work: Callable[[], None]) -> int:
    """Run `work` as process 1 of new mount, process, network, IPC and host-name namespaces.

    Returns its exit status, 128 + N after signal N. When this process dies, however it dies, the kernel ends process 1,
    and with it everything in its namespaces. Raises OSError if the kernel refuses.
    """
    if _libc.unshare(_ALL) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"new namespaces: {os.strerror(number)}")
    alive, held = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(held)
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # A parent that died before that call is not noticed by it, but its end of the pipe is closed.
        if select.select([alive], [], [], 0)[0]:
            os._exit(1)
        try:
            work()
        finally:
            os._exit(0)
    os.close(alive)
    _, status = os.waitpid(child, 0)
    os.close(held)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
