"""Marks: how a program in a machine that counts has the counts written down, and what is then in the file.

A mark is a call of a function at an address that nobody else uses, which the counter knows (`counter.c`).
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from testbed.base import files
from testbed.base.errors import LabError

ADDRESS = 0x6D61_726B_0000
_RETURN = b"\xc3"
_FIXED_NOREPLACE = 0x100000  # MAP_FIXED_NOREPLACE, include/uapi/asm-generic/mman-common.h
_MOST_BYTES = 1 << 24


@dataclass(frozen=True)
class Executed:
    """Instructions that were executed since the machine's start: of programs, and of the kernel."""

    programs: int
    kernel: int

    @property
    def all(self) -> int:
        """Both."""
        return self.programs + self.kernel


def mark() -> Callable[[], None]:
    """The function that has the counts written down; x86-64 only. Elsewhere it does nothing. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
    access = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    where = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _FIXED_NOREPLACE
    if libc.mmap(ADDRESS, mmap.PAGESIZE, access, where, -1, 0) != ADDRESS:
        raise OSError(ctypes.get_errno(), f"no memory at the address of the mark, {ADDRESS:#x}")
    ctypes.memmove(ADDRESS, _RETURN, len(_RETURN))
    call: Callable[[], None] = ctypes.CFUNCTYPE(None)(ADDRESS)
    return call


def read(path: Path) -> list[Executed]:
    """The counts at each mark; raises `LabError` for what no counter writes."""
    try:
        lines = files.read_bytes(path, _MOST_BYTES).decode().splitlines()
    except (OSError, ValueError) as error:
        raise LabError(f"{path.name}: the counts cannot be read: {error}") from error
    return [_parse(line, f"{path.name}:{number}") for number, line in enumerate(lines, start=1)]


def _parse(line: str, where: str) -> Executed:
    words = line.split()
    if len(words) != 2 or not all(word.isascii() and word.isdigit() for word in words):
        raise LabError(f"{where}: not two counts: {line[:80]!r}")
    return Executed(*map(int, words))
