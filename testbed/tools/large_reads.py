"""Large reads for `ab`, which asks for 8 KB at a time: the library `large_reads.c`, built, found and preloaded.

In a guest each system call costs more than the 8 KB that it brings. With the library one call brings 64 KB, and `ab`
itself stays as it is. What is in the cache is told by the source's content; it travels to other machines as it is.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.base.errors import AnalysisError, PrerequisiteError, ReadbackError
from testbed.base.needs import Call, Need
from testbed.record.large_reads import FILE, Reads, read_large_reads
from testbed.tools.shared_library import SharedLibrary

if TYPE_CHECKING:
    from testbed.kernel.cache import Cache

NAME = "large_reads.so"
FOLDER_VARIABLE = "TESTBED_LIBRARIES"
"""Tells a job where its lab has the toolkit's libraries."""

NEED = Need(
    name="library for large reads",
    purpose="ab",
    probe=(Call(function="testbed.tools.large_reads:load"),),
    cure="run: testbed setup; or do without: --set workload.large_reads=false",
)

LIBRARY = SharedLibrary(NAME, Path(__file__).with_name("large_reads.c"), "the library for large reads", NEED.cure)


def identity() -> str:
    """What the library is called in the cache: a hash over its source and how it is compiled."""
    return LIBRARY.identity


def find(cache: Cache) -> Path | None:
    """The library in the cache, None if it is not there."""
    return LIBRARY.find(cache)


def ensure(cache: Cache) -> Path:
    """The library in the cache, built if it is not there; raises `PrerequisiteError` where it cannot be."""
    return LIBRARY.ensure(cache)


def installed(environment: Mapping[str, str] | None = None) -> Path:
    """The library where a job has it, told by its lab; raises `PrerequisiteError` if it is not there."""
    variables = os.environ if environment is None else environment
    path = Path(variables.get(FOLDER_VARIABLE, ""), identity(), NAME)
    if not path.is_absolute() or not path.is_file():
        raise PrerequisiteError("this lab has no library for large reads", hint=NEED.cure)
    return path


def load() -> None:
    """Load it where a job has it, for its probe; raises `PrerequisiteError` and OSError."""
    ctypes.CDLL(str(installed()))


def preloaded(argv: Sequence[str], link: Path, output: Path) -> list[str]:
    """The argv that runs a program with the library, which then lies under the name `link` (of no odd letters).

    Beside what is preloaded already: `mptcpize run`, which comes first, sets the variable anew. At its end the program
    leaves its counts in the directory `output`.
    """
    link.unlink(missing_ok=True)
    link.symlink_to(installed())
    wrap, rest = (list(argv[:2]), argv[2:]) if argv[0] == "mptcpize" else ([], argv)
    preload = ["-S", f"LD_PRELOAD=${{LD_PRELOAD}}:{link}"] if wrap else [f"LD_PRELOAD={link}"]
    return [*wrap, "env", *preload, f"LARGE_READS_REPORT={output / FILE}", *rest]


def read_back(output: Path) -> Reads:
    """What a program's reads came to, which left its counts in `output`.

    Raises `ReadbackError` if it ran without the library.
    """
    try:
        return read_large_reads(output)
    except AnalysisError as error:
        raise ReadbackError("LD_PRELOAD", NAME, f"no counts: {error.message}") from error
