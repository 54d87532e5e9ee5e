"""The flavours of the lab kernel: which port of Linux is built from a source and its series, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Flavour:
    """A port of Linux: `arch` and `goal` for make, the image below the objects, and the fragments it starts from.

    `fragments` are names of files in `kernel-patches/common/` and, where it has them, in a release's folder; `file` is
    the image's name in the cache; `libelf` says whether the build runs objtool, which needs libelf's headers, and
    `precompiled` whether Debian's source is compiled with precompiled headers.
    """

    name: str
    arch: str
    goal: str
    image: str
    file: str
    fragments: tuple[str, ...]
    libelf: bool = False
    precompiled: bool = False


UML = Flavour(
    name="uml",
    arch="um",
    goal="linux",
    image="linux",
    file="linux",
    fragments=("common.config", "uml.config"),
    precompiled=True,
)
"""User-Mode Linux: the embedded lab's kernel, an ordinary program."""

X86_64 = Flavour(
    name="x86_64",
    arch="x86_64",
    goal="bzImage",
    image="arch/x86/boot/bzImage",
    file="bzImage",
    fragments=("common.config", "x86_64.config"),
    libelf=True,
)
"""A PC's kernel, for a virtual machine."""

FLAVOURS = {flavour.name: flavour for flavour in (UML, X86_64)}
