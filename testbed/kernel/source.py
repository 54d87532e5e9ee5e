"""Debian's `linux-source-6.12`: which version, downloaded with apt, unpacked; all without root.

The package is downloaded once and kept in the cache's `downloads/`. The version that lies there is the one that
counts, so that an `apt-get update` between two runs does not change the kernel under them; `update` asks apt anew.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from testbed.errors import CommandError, GuestTimeout, KernelBuildError, PrerequisiteError
from testbed.kernel.progress import Progress, Report
from testbed.kernel.toolchain import UNPACK_PROGRAMS, require
from testbed.process import Process, run

PACKAGE = "linux-source-6.12"
ARRIVING = ".arriving-"
"""The name of a download's own directory begins so; the process id follows."""

# Two thirds of the unpacked size, nothing that ARCH=um compiles; what configures them stays, kconfig reads it all.
_DRIVERS_LEFT_OUT = ("gpu", "infiniband", "media", "net/ethernet", "net/wireless", "scsi", "staging", "usb")
_PORTS_LEFT_OUT = (
    *(
        "alpha",
        "arc",
        "arm",
        "arm64",
        "csky",
        "hexagon",
        "loongarch",
        "m68k",
        "microblaze",
        "mips",
        "nios2",
        "openrisc",
    ),
    *("parisc", "powerpc", "riscv", "s390", "sh", "sparc", "xtensa"),
)
LEFT_OUT = (
    *(f"drivers/{name}/*.[ch]" for name in _DRIVERS_LEFT_OUT),
    *(f"arch/{name}/*.{kind}" for name in _PORTS_LEFT_OUT for kind in ("[chS]", "dts", "dtsi")),
    "sound/*.[ch]",
    "Documentation/devicetree/bindings/*",
)
"""Patterns (`*` matches `/` too) of what is not unpacked: it saves 1 GB of disk and a third of the time to unpack."""

_POLL_S = 0.2
_C_LOCALE = {"LC_ALL": "C"}


@dataclass(frozen=True)
class DebianSource:
    """A version of the source package; it may or may not be downloaded yet."""

    version: str

    @property
    def identity(self) -> str:
        """The text that stands for this source in a kernel's identity."""
        return f"{PACKAGE} {self.version}"


def downloaded(downloads: Path) -> Path | None:
    """The package file that is already in the cache, if any (the newest one)."""
    files = sorted(downloads.glob(f"{PACKAGE}_*.deb"), key=lambda file: file.stat().st_mtime_ns)
    return files[-1] if files else None


def locate(downloads: Path, *, update: bool = False) -> DebianSource:
    """The source to build: the downloaded one or, with `update` or when there is none, what apt would install.

    Raises `PrerequisiteError` without apt, or when apt does not know the package.
    """
    file = None if update else downloaded(downloads)
    if file is not None:
        return DebianSource(unquote(file.name.split("_")[1]))
    return DebianSource(candidate())


def candidate() -> str:
    """The version of the package that apt would install; raises `PrerequisiteError` if there is none."""
    if shutil.which("apt-get") is None or shutil.which("apt-cache") is None:
        raise PrerequisiteError(
            f"no apt on this machine to fetch {PACKAGE} with",
            hint="give a kernel source tree with: testbed kernel build --source DIR",
        )
    policy = run(["apt-cache", "policy", PACKAGE], env=os.environ | _C_LOCALE, check=False).stdout
    match = re.search(r"^\s*Candidate: (\S+)$", policy, re.MULTILINE)
    if match is None or match[1] == "(none)":
        raise PrerequisiteError(
            f"apt does not know the package {PACKAGE}",
            hint="run: sudo apt-get update (Debian 12 needs its security archive, Debian 13 has it in main)",
        )
    return match[1]


def fetch(source: DebianSource, downloads: Path, report: Report) -> Path:
    """Download the package into `downloads` unless it is there; returns its file.

    It arrives in a directory of its own and is moved when whole; other versions are removed then. As root, apt
    warns that its sandbox user cannot write there: harmless. Raises `PrerequisiteError` when apt cannot get it.
    """
    present = downloaded(downloads)
    if present is not None and unquote(present.name.split("_")[1]) == source.version:
        return present
    wanted = f"{PACKAGE}={source.version}"
    total = _size_bytes(wanted)
    arrival = downloads / f"{ARRIVING}{os.getpid()}"
    shutil.rmtree(arrival, ignore_errors=True)
    arrival.mkdir(parents=True)
    log = arrival / "apt.log"
    try:
        with (
            log.open("wb") as output,
            Process(
                ["apt-get", "download", wanted], stdout=output, stderr=output, cwd=arrival, env=os.environ | _C_LOCALE
            ) as apt,
        ):
            while (status := _wait(apt)) is None:
                report(Progress("download", sum(_length(file) for file in arrival.glob("*.deb")), total))
        file = next(arrival.glob("*.deb"), None)
        if status != 0 or file is None:
            errors = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("E:")]
            raise PrerequisiteError(
                f"apt-get could not download {wanted}: {errors[0] if errors else f'status {status}'}",
                hint="check the network, and run: sudo apt-get update",
            )
        for old in downloads.glob(f"{PACKAGE}_*.deb"):
            old.unlink()
        return file.rename(downloads / file.name)
    finally:
        shutil.rmtree(arrival, ignore_errors=True)


def unpack(package: Path, tree: Path) -> None:
    """Unpack the kernel source of a package file, less `LEFT_OUT`, as the directory `tree`, which must not exist.

    Raises `PrerequisiteError` when the disk is full, `KernelBuildError` for a package that is damaged.
    """
    require(UNPACK_PROGRAMS)
    outer = tree.with_name(f"{tree.name}.package")
    try:
        run(["dpkg-deb", "-x", package, outer])
        tree.mkdir()
        archive = outer / "usr" / "src" / f"{PACKAGE}.tar.xz"
        left_out = [f"--exclude={PACKAGE}/{pattern}" for pattern in LEFT_OUT]
        run(["tar", "-x", "-J", "-f", archive, "-C", tree, "--strip-components=1", "--wildcards", *left_out])
    except CommandError as error:
        if "No space left on device" in error.stderr:
            raise PrerequisiteError(f"no space left in {tree.parent} to unpack the kernel source") from error
        raise KernelBuildError(
            f"{package} cannot be unpacked: {error.message}", hint="remove the file; the next build downloads it again"
        ) from error
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def _size_bytes(wanted: str) -> int:
    """How large apt says the download is; 0 if it does not say."""
    shown = run(["apt-cache", "show", wanted], check=False).stdout
    match = re.search(r"^Size: (\d+)$", shown, re.MULTILINE)
    return int(match[1]) if match else 0


def _wait(process: Process) -> int | None:
    """The exit status of a program if it ends within one polling interval, else None."""
    try:
        return process.wait(_POLL_S)
    except GuestTimeout:
        return None


def _length(file: Path) -> int:
    """Bytes of a file that may be renamed at any moment."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
