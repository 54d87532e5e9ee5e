"""How the analysis reads what a run directory holds: regular files of a bounded size, JSON of a bounded depth.

A run directory may come from anybody, and a file in it may be a FIFO, a link to a device, or no JSON at all. Each is an
AnalysisError that names the file (and the line), never an endless wait.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from testbed.base import files
from testbed.base.errors import AnalysisError
from testbed.base.text import parse_json

_MOST_SHOWN = 60
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def is_there(path: Path) -> bool:
    """Whether anything has this name, be it a link to nothing."""
    return os.path.lexists(path)


def read_bytes(path: Path, name: str | None = None) -> bytes:
    """All of a file; `name` is what an error calls it (None: its path)."""
    try:
        return files.read_bytes(path)
    except OSError as error:
        raise AnalysisError(f"{name or path}: {error.strerror or error}") from error


def read_text(path: Path, name: str | None = None, *, most: int = files.MOST_BYTES, errors: str = "strict") -> str:
    """All of a file of UTF-8 text, of `most` bytes at most (see codecs for `errors`)."""
    try:
        return files.read_text(path, most, errors)
    except OSError as error:
        raise AnalysisError(f"{name or path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise AnalysisError(f"{name or path}: not UTF-8 text") from error


def parse(text: str, name: str) -> Any:
    """What the JSON says."""
    try:
        value = parse_json(text)
        if _SURROGATE.search(text):  # half a character, which no table and no page can hold
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise AnalysisError(f"{name}: not JSON: a text in it is no Unicode") from error
    except ValueError as error:
        raise AnalysisError(f"{name}: not JSON: {error}") from error
    return value


def shown(value: object) -> str:
    """A value as an error quotes it: not all of a long one."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def parse_object(text: str, name: str) -> dict[str, Any]:
    """What the JSON of an object says."""
    value = parse(text, name)
    if not isinstance(value, dict):
        raise AnalysisError(f"{name}: not a JSON object")
    return value


def read_object(path: Path, name: str | None = None) -> dict[str, Any]:
    """The JSON object in a file."""
    return parse_object(read_text(path, name), name or str(path))


def read_lines(path: Path, most: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The JSON objects of a file that has one a line, each with the file's name and the line's number.

    `most` is what a line may have.
    """
    for number, line in enumerate(read_text(path, path.name).split("\n"), start=1):
        if line.strip():
            name = f"{path.name}:{number}"
            if len(line) > most:
                raise AnalysisError(f"{name}: longer than {most} characters")
            yield name, parse_object(line, name)
