"""No thread may lose its floating point registers, wherever the kernel keeps them: with patch 0007 in its process."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.labs.uml import UmlLab

SOURCE = Path(__file__).with_name("floating_point_probe.c")


@pytest.fixture(scope="module")
def lab(every_lab: UmlLab) -> UmlLab:
    return every_lab


def test_every_thread_keeps_its_floating_point_registers(guest) -> None:
    ended = guest(
        "sh", "-c", f'gcc -O1 -Wall -Werror -pthread -o "$TESTBED_OUT/probe" "{SOURCE}" && "$TESTBED_OUT/probe"'
    )
    assert (ended.stdout.decode(), ended.result.status) == ("0 lost\n", 0), ended.stderr.decode()


def test_no_process_gets_the_registers_that_are_not_kept(guest) -> None:
    """AMX has to be asked for, and what lies behind the kept part of the host's XSAVE area is AMX's (patch 0008)."""
    asks = (
        "import ctypes, errno; libc = ctypes.CDLL(None, use_errno=True); SYS_arch_prctl, REQ_XCOMP_PERM = 158, 0x1023\n"
        "print(libc.syscall(SYS_arch_prctl, REQ_XCOMP_PERM, 18), errno.errorcode[ctypes.get_errno()])"
    )
    ended = guest("python3", "-c", asks)
    assert (ended.stdout.decode(), ended.result.status) == ("-1 EINVAL\n", 0), ended.stderr.decode()
