"""Debian's packages of the kernel source: which version of a release is there, and one of them unpacked.

The package is downloaded once (`testbed.kernel.download`) and kept in the cache's `downloads/`. The version that lies
there is the one that counts, so that an `apt-get update` between two runs does not change the kernel under them.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from testbed.base.errors import CommandError, KernelBuildError, PrerequisiteError
from testbed.kernel import apt
from testbed.kernel.release import DEFAULT, Release
from testbed.kernel.toolchain import UNPACK_PROGRAMS, require
from testbed.process import run

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


@dataclass(frozen=True)
class DebianSource:
    """A version of a release's source package; it may or may not be downloaded yet."""

    version: str
    release: Release = DEFAULT

    @property
    def identity(self) -> str:
        """The text that stands for this source in a kernel's identity."""
        return f"{self.release.package} {self.version}"


def version_of(file: Path) -> str:
    """The version in the name of a package file."""
    return unquote(file.name.split("_")[1])


def downloaded(downloads: Path, release: Release) -> Path | None:
    """The package file that is already in the cache, if any: the locked version, else the one that came last."""
    files = sorted(downloads.glob(f"{release.package}_*.deb"), key=lambda file: file.stat().st_mtime_ns)
    locked = [file for file in files if version_of(file) == release.lock().version]
    return next(reversed(locked or files), None)


def at_hand(downloads: Path, release: Release = DEFAULT) -> list[DebianSource]:
    """The sources that a release's kernel may have been built from, without asking the mirror, the likeliest first.

    The downloaded one alone, if there is one: the locked one before any other. Else the locked one and, where the
    machine's own sources have the package, the newest that apt knows.
    """
    if (file := downloaded(downloads, release)) is not None:
        return [DebianSource(version_of(file), release)]
    locked = DebianSource(release.lock().version, release)
    if not release.suite:
        with contextlib.suppress(PrerequisiteError):
            return [locked, DebianSource(apt.versions(release, downloads)[0], release)]
    return [locked]


def unpack(package: Path, tree: Path) -> None:
    """Unpack the kernel source of a package file, less `LEFT_OUT`, as the directory `tree`, which must not exist.

    Raises `PrerequisiteError` when the disk is full, `KernelBuildError` for a package that is damaged.
    """
    require(UNPACK_PROGRAMS)
    outer = tree.with_name(f"{tree.name}.package")
    try:
        run(["dpkg-deb", "-x", package, outer])
        tree.mkdir()
        name = package.name.partition("_")[0]
        archive = outer / "usr" / "src" / f"{name}.tar.xz"
        left_out = [f"--exclude={name}/{pattern}" for pattern in LEFT_OUT]
        run(["tar", "-x", "-J", "-f", archive, "-C", tree, "--strip-components=1", "--wildcards", *left_out])
    except CommandError as error:
        if "No space left on device" in error.stderr:
            raise PrerequisiteError(f"no space left in {tree.parent} to unpack the kernel source") from error
        raise KernelBuildError(
            f"{package} cannot be unpacked: {error.message}", hint="remove the file; the next build downloads it again"
        ) from error
    finally:
        shutil.rmtree(outer, ignore_errors=True)
