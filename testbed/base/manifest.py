"""The manifest of a run, `run.json`, as far as a reader relies on it: read within bounds, its shape looked at once.

It may come from anybody. What has the right shape may still say what is not so, but it breaks nobody who reads it, and
no point's id in it leaves the run's directory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from testbed.base import files, text

NAME = "run.json"
VERSION = 1
MOST_BYTES = 1 << 26
_MOST_ID = 200

# A point's id becomes a directory's name, and `..` would leave the run.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*\Z")


def is_point_id(name: object) -> bool:
    """Whether it can be the id of a point: the name of a directory, of letters, digits and `. _ + -`."""
    return isinstance(name, str) and len(name) <= _MOST_ID and bool(_ID.match(name))


def run_around(path: Path) -> Path | None:
    """The run directory that a path lies in, links resolved; None if it lies in none."""
    return next((each for each in path.resolve().parents if (each / NAME).exists()), None)


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _text(value: object) -> bool:
    return isinstance(value, str)


def _object(value: object) -> bool:
    return isinstance(value, dict)


def _optional(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or check(value)


_SHAPE: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "points": (lambda value: isinstance(value, list) and all(map(is_point_id, value)), "a list of ids of points"),
    "state": (_text, "a text"),
    "plan": (_objects, "a list of points"),
    "command": (_texts, "a list of texts"),
    "lab": (lambda value: _text(value) or _texts(value), "a list of texts"),  # a text: older toolkits
    "labs": (_objects, "a list of objects"),
    "resumed": (_objects, "a list of objects"),
    "toolkit": (_optional(_text), "a text"),
    "sources": (_optional(_text), "a text"),
    "verifies": (_text, "a text"),
    "started_at": (_optional(_text), "a text"),
    "finished_at": (_optional(_text), "a text"),
    "kernel": (_optional(_object), "an object"),
    "host": (_optional(_object), "an object"),
    "tools": (_optional(_object), "an object"),
}


def read(path: Path) -> dict[str, Any]:
    """What the manifest says; raises OSError, or ValueError with what is wrong with it in one line."""
    try:
        document = text.parse_json(files.read_bytes(path, MOST_BYTES))
    except UnicodeDecodeError:
        raise ValueError("not JSON: not UTF-8 text") from None
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError("not the manifest of a run")
    version = document.get("version")
    if version != VERSION or not isinstance(version, int) or isinstance(version, bool):
        raise ValueError(f"version {str(version)[:20]}, but this toolkit reads version {VERSION}")
    for key, (fits, what) in _SHAPE.items():
        if key in document and not fits(document[key]):
            raise ValueError(f"not the manifest of a run: {key!r} is not {what}")
    if "points" not in document:
        raise ValueError("not the manifest of a run: it has no 'points'")
    return dict(document)
