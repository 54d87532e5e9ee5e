"""KVM or not: found out by booting a kernel with it, because a `/dev/kvm` that opens may still run nothing.

(Inside a virtual machine it is often so: the device is there, KVM_CREATE_VM succeeds, and a guest hangs or QEMU dies
on the first register that it sets.) Without KVM, QEMU translates the code (TCG), some ten times slower.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from testbed.base.errors import CommandError, GuestTimeout, TestbedError
from testbed.process import run

PROBE_S = 20.0
_DEVICE = Path("/dev/kvm")
# A kernel that finds no disk ends so, when it has done everything else.
_REACHED = "Kernel panic - not syncing: VFS"

Name = Literal["kvm", "tcg"]


@dataclass(frozen=True)
class Accelerator:
    """What runs the machine's code, and why not KVM (empty with KVM)."""

    name: Name
    why: str = ""

    @property
    def arguments(self) -> list[str]:
        """QEMU's options."""
        if self.name == "kvm":
            return ["-accel", "kvm", "-cpu", "host"]
        return ["-accel", "tcg,thread=multi", "-cpu", "max"]


def choose(kernel: Path, device: Path = _DEVICE) -> Accelerator:
    """KVM if a probe with this kernel works, else TCG with the reason."""
    if not device.exists():
        return Accelerator("tcg", f"there is no {device}")
    if not os.access(device, os.R_OK | os.W_OK):
        return Accelerator("tcg", f"{device} cannot be opened by this user (is it in the group kvm?)")
    return judge(lambda: _boot(kernel))


def judge(boot: Callable[[], str]) -> Accelerator:
    """The accelerator that follows from a boot with KVM; `boot` returns what the console said, or raises."""
    try:
        said = boot()
    except GuestTimeout:
        return Accelerator("tcg", f"a kernel does not boot with KVM within {PROBE_S:.0f} s")
    except CommandError as error:
        lines = error.stderr.strip().splitlines() or ["no message"]
        return Accelerator("tcg", f"QEMU fails with KVM: {lines[0].removeprefix('qemu-system-x86_64: ')}")
    except TestbedError as error:
        return Accelerator("tcg", error.message)
    if _REACHED not in said:
        last = said.strip().splitlines()[-1:] or ["it says nothing"]
        return Accelerator("tcg", f"a kernel does not come up with KVM: {last[0]}")
    return Accelerator("kvm")


def _boot(kernel: Path) -> str:
    argv = [
        "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "256",
        *Accelerator("kvm").arguments, "-serial", "stdio", "-kernel", str(kernel), "-append", "console=ttyS0 panic=-1",
    ]  # fmt: skip
    return run(argv, timeout_s=PROBE_S).stdout
