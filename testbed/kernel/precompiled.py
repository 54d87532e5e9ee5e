"""The headers that most of a kernel's objects include, compiled once (`kernel-patches/common/precompiled.h`).

Reading and parsing headers is most of the work for a small object. GCC can keep the outcome, but the kernel's make has
no use for that: it gives each object macros of its own. A script in gcc's place (`cc_with_headers.sh`) puts them behind
the headers. The code is the same but for the order of instructions that do not depend on each other.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path

from testbed.base.errors import CommandError
from testbed.process import run

HEADER = "precompiled.h"
"""The list of these headers, a C header itself, among what is common to all releases."""

SAMPLE = "net/socket.o"
"""An object with the flags of most others, and that is needed anyway: its command is the one to follow."""

_SCRIPT = Path(__file__).with_name("cc_with_headers.sh")
_OBJECTS_OWN = re.compile(r"-Wp,-MMD,|-I|-D(__)?KBUILD_|.*\.[oc]$")
_ONLY_WITH_AN_OBJECT = ("-c", "-o", "-include")


class PrecompiledHeaders:
    """A folder with the compiler that uses the headers, from the time on when they are there."""

    def __init__(self, folder: Path, header: Path) -> None:
        folder.mkdir()
        self._folder = folder
        (folder / "common.h").write_bytes(header.read_bytes())
        self.compiler = folder / "cc"
        self.compiler.write_bytes(_SCRIPT.read_bytes())
        self.compiler.chmod(0o755)

    def make(self, objects: Path) -> str:
        """Compile the headers with the flags of `SAMPLE`, which is there; returns what the log has to say of it.

        Headers that do not compile (a source that the list was not made for) cost the time that they would have saved.
        """
        words = command_of(objects / SAMPLE)
        flags = [word for word in words if not _OBJECTS_OWN.match(word)]
        folders = [word for word in words if word.startswith("-I")]
        header = self._folder / "common.h"
        compiled = self._folder / "common.h.gch"
        try:
            run(["gcc", *folders, *_without_files(flags), "-x", "c-header", header, "-o", compiled], cwd=objects)
        except CommandError as error:
            return f"the precompiled headers are left out: {error.message}"
        (self._folder / "flags").write_text(" ".join(flags) + "\n", encoding="utf-8")
        return f"precompiled headers: {compiled.stat().st_size} bytes"


def digest(header: Path) -> str:
    """SHA-256 of what the list has the compiler do; comments do not count."""
    lines = [line for line in header.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def command_of(made: Path) -> list[str]:
    """The arguments with which the kernel's make compiled an object, from the file that it keeps beside it."""
    line = (made.parent / f".{made.name}.cmd").read_text(encoding="utf-8").partition("\n")[0]
    return shlex.split(line.partition(" := ")[2].partition(" ; ")[0])[1:]


def _without_files(flags: list[str]) -> list[str]:
    """The flags without those that concern one object's files, and without the headers that each has at its start."""
    kept: list[str] = []
    words = iter(flags)
    for word in words:
        if word == "-include":
            next(words)
        elif word not in _ONLY_WITH_AN_OBJECT:
            kept.append(word)
    return kept
