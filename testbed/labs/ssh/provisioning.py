"""What must be on the other machine before a job: the toolkit in an environment of its own, the lab kernel, libraries.

All are sent once and known by their content: the toolkit by the SHA-256 of its wheel, the kernel by the identity of
its build, a library by its source. The kernel is sent, not built there: the same image is what makes results
comparable.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.base.errors import CommandError, GuestTimeout, PrerequisiteError
from testbed.kernel.cache import Kernel
from testbed.labs import runtime_directory
from testbed.labs.ssh import requirements, transfer
from testbed.labs.ssh.connection import Connection
from testbed.labs.ssh.remote import environment, layout
from testbed.labs.ssh.rpc import PYTHON, PipFailed, call, call_bootstrap, validated
from testbed.labs.ssh.wheel import RUNS_POINTS, Wheel, pinned
from testbed.process import run

INSTALL_S = 900.0
_SPARE_BYTES = 20_000_000

Report = Callable[[str], None]


@dataclass(frozen=True)
class Machine:
    """The other machine: `boot` tells one run of one kernel from any other, `root` is the toolkit's cache there."""

    host: str
    boot: str
    machine: str
    platform: str
    cores: int
    root: str

    def toolkit(self, digest: str) -> str:
        """Where the toolkit's environment lies there."""
        return f"{self.root}/{layout.TOOLKITS}/{digest}"

    def job(self, name: str) -> str:
        """Where a job lies there."""
        return f"{self.root}/{layout.JOBS}/{name}"


@dataclass(frozen=True)
class _Python:
    """The version of the interpreter there."""

    python: tuple[int, int]


def provide_toolkit(connection: Connection, wheel: Wheel, owner: str, report: Report) -> Machine:
    """Have the toolkit there, whole, in an environment of its own; returns what machine it is.

    Raises `PrerequisiteError` and `LabError` with what is missing there.
    """
    said = call_bootstrap(connection, "describe", {"digest": wheel.sha256})
    host = str(connection.address)
    machine = validated(Machine, said, host)
    version = "python" + ".".join(map(str, validated(_Python, said, host).python))
    if version != PYTHON:
        raise PrerequisiteError(
            f"{connection.address}: its Python is {version}, ours is {PYTHON}: results would not be comparable",
            hint=f"install {PYTHON} there, or run testbed from {version} here",
        )
    sent = validated(str, call_bootstrap(connection, "prepare", {"owner": owner}), host)
    if not said.get("toolkit"):
        report(f"sending the toolkit to {connection.address}, once")
        call_bootstrap(connection, "require_space", {"needed_bytes": environment.SPACE_BYTES, "what": "the toolkit"})
        needed = requirements.locked(pinned(RUNS_POINTS))
        files = {wheel.name: wheel.content, **needed}
        transfer.send(connection, {f"{sent}/{name}": content for name, content in files.items()})
        arguments = {"digest": wheel.sha256, "owner": owner, "name": wheel.name}
        try:
            call_bootstrap(connection, "install", {**arguments, "offline": False}, limit_s=INSTALL_S)
        except PipFailed as failure:
            report(f"no package index that helps there: sending {connection.address} the dependencies too")
            _send_dependencies(connection, needed, sent, machine=machine, failure=failure)
            call_bootstrap(connection, "install", {**arguments, "offline": True}, limit_s=INSTALL_S)
    return machine


def _send_dependencies(
    connection: Connection, needed: Mapping[str, bytes], sent: str, *, machine: Machine, failure: PipFailed
) -> None:
    """Send what the requirement files name; raises `PrerequisiteError` if it cannot be had here either."""
    ours = platform.machine()
    if machine.machine != ours:
        raise PrerequisiteError(
            f"{failure.message}; and wheels from here do not fit: it is {machine.machine}, this machine is {ours}",
            hint="give it a package index, see pip.conf there",
        ) from failure
    with runtime_directory.temporary() as scratch:
        files = Path(scratch, "files")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest", str(files)]
        # Not as wheels that are built here: the lock knows the hash of a package's source, and it is built there.
        locked = ["--require-hashes", "--no-deps", "--no-build-isolation", "--use-pep517"]
        try:
            for name, content in needed.items():
                Path(scratch, name).write_bytes(content)
                run([*pip, *locked, "-r", Path(scratch, name)], timeout_s=INSTALL_S)
        except (CommandError, GuestTimeout) as error:
            raise PrerequisiteError(
                f"{failure.message}; and here: {error.message}", hint="give one of the two a package index"
            ) from error
        transfer.send(connection, {f"{sent}/{each.name}": each for each in sorted(files.iterdir())})


def provide_library(connection: Connection, toolkit: str, library: Path, *, machine: Machine, owner: str) -> None:
    """Have the library for large reads in the cache there, able to be loaded; raises as `provide_kernel`.

    It is called after its source, which is there with the toolkit. A machine of another kind builds its own.
    """
    name = library.parent.name
    if call(connection, toolkit, "has_library", {"library": name}):
        return
    if machine.machine != platform.machine():
        call(connection, toolkit, "build_library", {"library": name})
        return
    sent = validated(str, call_bootstrap(connection, "prepare", {"owner": owner}), str(connection.address))
    transfer.send(connection, {f"{sent}/{library.name}": library})
    digest = hashlib.sha256(library.read_bytes()).hexdigest()
    call(connection, toolkit, "install_library", {"library": name, "sent": f"{sent}/{library.name}", "sha256": digest})


def provide_kernel(connection: Connection, toolkit: str, kernel: Kernel, *, owner: str, report: Report) -> None:
    """Have the lab kernel in the cache there, able to run; raises `PrerequisiteError` and `LabError`."""
    if call(connection, toolkit, "has_kernel", {"kernel": kernel.id}):
        return
    report(f"sending the lab kernel {kernel.id} to {connection.address}, once")
    sent = validated(str, call_bootstrap(connection, "prepare", {"owner": owner}), str(connection.address))
    size = kernel.manifest.image_bytes
    call_bootstrap(connection, "require_space", {"needed_bytes": 2 * size + _SPARE_BYTES, "what": "the lab kernel"})
    folder = kernel.image.parent
    names = [kernel.manifest.image, "manifest.json", "config"]
    transfer.send(connection, {f"{sent}/kernel/{name}": folder / name for name in names if (folder / name).is_file()})
    call(connection, toolkit, "install_kernel", {"kernel": kernel.id, "sent": f"{sent}/kernel"})
