"""The programs that a kernel build needs, the Debian packages they come in, and the compiler's name."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from testbed.errors import CommandError, PrerequisiteError
from testbed.process import run

# objtool, certificates and modules are off in our configuration: neither libelf-dev nor libssl-dev is needed.
BUILD_PROGRAMS: Mapping[str, str] = {
    "make": "make",
    "gcc": "gcc",
    "ld": "binutils",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
}
PATCH_PROGRAMS: Mapping[str, str] = {"patch": "patch"}
UNPACK_PROGRAMS: Mapping[str, str] = {"dpkg-deb": "dpkg", "tar": "tar", "xz": "xz-utils"}


def require(programs: Mapping[str, str]) -> None:
    """Raise `PrerequisiteError` naming every program that is not in PATH and the packages to install."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        packages = " ".join(dict.fromkeys(programs[name] for name in missing))
        raise PrerequisiteError(
            f"missing to build the kernel: {', '.join(missing)}", hint=f"sudo apt-get install {packages}"
        )


def require_libc_headers() -> None:
    """Raise `PrerequisiteError` without the C library's headers: User-Mode Linux is a program of the host."""
    try:
        run(["gcc", "-fsyntax-only", "-include", "stdlib.h", "-x", "c", "/dev/null"])
    except CommandError as error:
        raise PrerequisiteError(
            "the C library's headers are missing to build the kernel", hint="sudo apt-get install libc6-dev"
        ) from error


def compiler() -> str:
    """First line of `gcc --version`: part of a kernel's identity. Raises `PrerequisiteError` without gcc."""
    require({"gcc": BUILD_PROGRAMS["gcc"]})
    return run(["gcc", "--version"]).stdout.partition("\n")[0].strip()
