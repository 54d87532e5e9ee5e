"""The flavours of the lab kernel: which port of Linux is built from a source and its series, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Flavour:
    """A port of Linux: `arch` and `goal` for make, the image below the objects, and the fragments it starts from.

    `fragments` are names of files in `kernel-patches/common/` and, where it has them, in a release's folder; `file` is
    the image's name in the cache; `libelf` says whether the build runs objtool, which needs libelf's headers.
    """

    name: str
    arch: str
    goal: str
    image: str
    file: str
    fragments: tuple[str, ...]
    libelf: bool = False


UML = Flavour("uml", "um", "linux", "linux", "linux", ("common.config", "uml.config"))
"""User-Mode Linux: the embedded lab's kernel, an ordinary program."""

X86_64 = Flavour(
    "x86_64", "x86_64", "bzImage", "arch/x86/boot/bzImage", "bzImage", ("common.config", "x86_64.config"), libelf=True
)
"""A PC's kernel, for a virtual machine."""

FLAVOURS = {flavour.name: flavour for flavour in (UML, X86_64)}
