"""The counter (`counter.c`), which QEMU loads: built for the QEMU that is here, and found in the cache."""

from __future__ import annotations

import re
from pathlib import Path

from testbed.base.errors import CommandError, PrerequisiteError
from testbed.kernel.cache import Cache
from testbed.labs.counting import marks
from testbed.process import run
from testbed.tools.shared_library import SharedLibrary

QEMU = "qemu-system-x86_64"
PACKAGE = "qemu-system-x86"
CURE = f"run as root: apt-get install {PACKAGE}"

_VERSION = re.compile(r"version (\d+)\.(\d+)")
_LIMIT_S = 30.0
_FIRST_WITH_PLUGINS = (4, 2)
_SECOND_INTERFACE = 9  # QEMU 9.0 takes no plugin of an older interface, and what is used here is the same in both


def qemu_version() -> tuple[int, int]:
    """The version of the QEMU that is installed; raises `PrerequisiteError` where none is."""
    try:
        said = run([QEMU, "--version"], timeout_s=_LIMIT_S).stdout
    except CommandError as error:
        raise PrerequisiteError(f"{QEMU} is not installed, and it counts the instructions", hint=CURE) from error
    return parse_version(said)


def parse_version(said: str) -> tuple[int, int]:
    """The version in what `--version` says; raises `PrerequisiteError` for none, and for one that has no plugins."""
    match = _VERSION.search(said)
    if match is None:
        raise PrerequisiteError(f"{QEMU} does not say its version: {said.strip()[:80]!r}", hint=CURE)
    found = int(match[1]), int(match[2])
    if found < _FIRST_WITH_PLUGINS:
        raise PrerequisiteError(f"QEMU {match[1]}.{match[2]} has no plugins; instructions take 4.2 or later", hint=CURE)
    return found


def library(version: tuple[int, int]) -> SharedLibrary:
    """The counter for a version of QEMU."""
    interface = 1 if version[0] < _SECOND_INTERFACE else 2
    return SharedLibrary(
        "counter.so",
        Path(__file__).with_name("counter.c"),
        "the counter of instructions",
        "run: testbed setup",
        (f"-DVERSION={interface}", f"-DMARK={marks.ADDRESS:#x}"),
    )


def ensure(cache: Cache) -> Path:
    """The counter for the QEMU that is here, built if it is not in the cache; raises `PrerequisiteError`."""
    return library(qemu_version()).ensure(cache)
