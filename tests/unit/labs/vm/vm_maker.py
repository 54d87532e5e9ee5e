"""A state directory of the lab VM as a command leaves it, and a stand-in for QEMU where only its being alive counts."""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from testbed.labs.vm.image import Manifest
from testbed.labs.vm.machine import Machine
from testbed.labs.vm.state import State

MACHINE = Machine(
    port=40022, accelerator="tcg", why="there is no /dev/kvm", memory_mib=2048, cpus=2, kernel="0123456789ab",
    image="ba9876543210", started_by="user", started_at="2026-01-01T00:00:00+00:00", boot_s=12.5,
)  # fmt: skip
MANIFEST = Manifest(
    id="ba9876543210", debian="bookworm", python="3.11", packages=("mininet",), dependencies={"click": "8.1.7"},
    size="8G", built_at="2026-01-01T00:00:00+00:00", build_s=70.0,
)  # fmt: skip


def built(state: State) -> State:
    state.image.mkdir(parents=True)
    (state.image / "manifest.json").write_text(MANIFEST.model_dump_json())
    (state.image / "disk.img").touch()
    return state


@contextmanager
def alive(state: State, record: Machine | None = MACHINE) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds what QEMU holds, with the files that QEMU and the command leave beside it."""
    state.prepare()
    with state.alive.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        process = subprocess.Popen(["sleep", "1000"], pass_fds=(file.fileno(),))
    (state.folder / "qemu.pid").write_text(f"{process.pid}\n")
    if record is not None:
        state.record.write_text(record.model_dump_json())
    try:
        yield process
    finally:
        process.kill()
        process.wait()
