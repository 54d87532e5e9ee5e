"""The programs that a kernel build needs, the Debian packages they come in, and the compiler's name."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from testbed.base.errors import CommandError, PrerequisiteError
from testbed.process import run

# Certificates and modules are off in our configuration: libssl-dev is not needed. Only x86_64 runs objtool.
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

WITHOUT_WARNINGS = "KCFLAGS=-w -ftrack-macro-expansion=0"
"""For make: no warnings, nor what only they need. The same objects, byte for byte, in a tenth less time (GCC 12)."""

_PASSED_ON = ("PATH", "HOME", "TMPDIR")
# A kernel says when, where and by whom it was built: fixed, so that the same recipe gives the same bytes.
_REPRODUCIBLE = {
    "LC_ALL": "C",
    "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 1970",
    "KBUILD_BUILD_USER": "testbed",
    "KBUILD_BUILD_HOST": "lab",
    "KBUILD_BUILD_VERSION": "1",
}


def environment(outer: Mapping[str, str]) -> dict[str, str]:
    """make's, fixed: KCFLAGS, CC or the MAKEFLAGS of a make around us would change the kernel but not its identity."""
    return {name: outer[name] for name in _PASSED_ON if name in outer} | _REPRODUCIBLE


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
    _require_header("stdlib.h", "the C library's headers are", "libc6-dev")


def require_libelf_headers() -> None:
    """Raise `PrerequisiteError` without libelf's headers: the x86-64 port always runs objtool."""
    _require_header("gelf.h", "libelf's headers are", "libelf-dev")


def _require_header(header: str, what: str, package: str) -> None:
    try:
        run(["gcc", "-fsyntax-only", "-include", header, "-x", "c", "/dev/null"])
    except CommandError as error:
        raise PrerequisiteError(
            f"{what} missing to build the kernel", hint=f"sudo apt-get install {package}"
        ) from error


def compiler() -> str:
    """First line of `gcc --version`: part of a kernel's identity. Raises `PrerequisiteError` without gcc."""
    require({"gcc": BUILD_PROGRAMS["gcc"]})
    return run(["gcc", "--version"]).stdout.partition("\n")[0].strip()
