"""Debian's `linux-source-6.12`: which versions there are, and one of them unpacked; all without root.

The package is downloaded once (`testbed.kernel.download`) and kept in the cache's `downloads/`. The version that lies
there is the one that counts, so that an `apt-get update` between two runs does not change the kernel under them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from functools import cmp_to_key
from pathlib import Path
from urllib.parse import unquote

from testbed.base.errors import CommandError, KernelBuildError, PrerequisiteError
from testbed.kernel.source_lock import LockedSource
from testbed.kernel.toolchain import UNPACK_PROGRAMS, require
from testbed.process import run

PACKAGE = "linux-source-6.12"

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

_C_LOCALE = {"LC_ALL": "C"}


@dataclass(frozen=True)
class DebianSource:
    """A version of the source package; it may or may not be downloaded yet."""

    version: str

    @property
    def identity(self) -> str:
        """The text that stands for this source in a kernel's identity."""
        return f"{PACKAGE} {self.version}"


def version_of(file: Path) -> str:
    """The version in the name of a package file."""
    return unquote(file.name.split("_")[1])


def downloaded(downloads: Path, lock: LockedSource) -> Path | None:
    """The package file that is already in the cache, if any: the locked version, else the one that came last."""
    files = sorted(downloads.glob(f"{PACKAGE}_*.deb"), key=lambda file: file.stat().st_mtime_ns)
    locked = [file for file in files if version_of(file) == lock.version]
    return next(reversed(locked or files), None)


def at_hand(downloads: Path, lock: LockedSource) -> list[DebianSource]:
    """The sources that a kernel may have been built from, without asking the mirror, the likeliest first.

    The downloaded one alone, if there is one: the locked one before any other. Else the locked one and the newest that
    apt knows.
    """
    if (file := downloaded(downloads, lock)) is not None:
        return [DebianSource(version_of(file))]
    with contextlib.suppress(PrerequisiteError):
        return [DebianSource(lock.version), DebianSource(versions()[0])]
    return [DebianSource(lock.version)]


def versions() -> list[str]:
    """The versions that apt knows, the newest first; raises `PrerequisiteError` if there is none."""
    if shutil.which("apt-get") is None or shutil.which("apt-cache") is None:
        raise PrerequisiteError(
            f"no apt on this machine to fetch {PACKAGE} with",
            hint="give a kernel source tree with: testbed kernel build --source DIR",
        )
    table = run(["apt-cache", "madison", PACKAGE], env=os.environ | _C_LOCALE, check=False).stdout
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]
    # A source package of the same name may be listed too.
    found = list(dict.fromkeys(row[1] for row in rows if len(row) == 3 and row[2].endswith(" Packages")))
    if not found:
        raise PrerequisiteError(
            f"apt does not know the package {PACKAGE}",
            hint="run: sudo apt-get update (Debian 12 needs its security archive, Debian 13 has it in main)",
        )
    return sorted(found, key=cmp_to_key(_compare), reverse=True)


def _compare(one: str, other: str) -> int:
    if one == other:
        return 0
    return 1 if run(["dpkg", "--compare-versions", one, "gt", other], check=False).status == 0 else -1


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
