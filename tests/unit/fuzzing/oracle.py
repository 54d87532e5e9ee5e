"""What must hold of a reader and one made-up input, and the smaller input after which it does not hold either."""

from __future__ import annotations

import re
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from testbed.base.errors import AnalysisError, TestbedError
from testbed.base.text import plain

OUR_ERRORS: tuple[type[Exception], ...] = (TestbedError, AnalysisError)

_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SHRINKING_STEPS = 300


class TooSlow(BaseException):
    """Raised in the midst of a reader that has had its time; no `except Exception` stops it."""


@dataclass(frozen=True)
class Finding:
    """An input after which something did not hold; two of the same `kind` are taken for one fault."""

    number: int
    kind: str
    what: str
    given: str


@dataclass(frozen=True)
class Reader:
    """What is fuzzed: `make` makes an input, `read` reads it in the folder that `prepare` has filled.

    `describe` shows an input. `shrinkable` is how an input of text or bytes may be cut to a smaller one.
    """

    name: str
    make: Callable[[Random], Any]
    read: Callable[[Path, Any], object]
    prepare: Callable[[Path], object]
    check: Callable[[Any], None]
    errors: tuple[type[Exception], ...]
    most_s: float
    most_bytes: int
    longest: int


def attempt(reader: Reader, folder: Path, number: int, given: Any) -> Finding | str | None:
    """None for a value, the text of an error that is allowed, or what did not hold."""
    signal.setitimer(signal.ITIMER_PROF, reader.most_s)
    try:
        try:
            reader.check(reader.read(folder, given))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except reader.errors as error:
        text = str(error)
        if "\n" in text or "\r" in text:
            return Finding(number, f"several lines: {_where(error)}", repr(text), shown(given))
        if len(text) > reader.longest:
            return Finding(number, f"a very long line: {_where(error)}", repr(text[:200]), shown(given))
        if _OBEYED.search(plain(text)):
            return Finding(number, f"a terminal would obey it: {_where(error)}", repr(text), shown(given))
        return text
    except TooSlow as error:
        return Finding(number, f"more than {reader.most_s} s: {_where(error)}", _tail(error), shown(given))
    except (Exception, SystemExit) as error:
        return Finding(number, f"{type(error).__name__}: {_where(error)}", _tail(error), shown(given))
    return None


def too_slow(_number: int, _frame: object) -> None:
    raise TooSlow


def _where(error: BaseException) -> str:
    """The innermost line of this project's own code that the error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/site-packages/" not in frame.filename and "/lib/python" not in frame.filename]
    last = own[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def _tail(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-1500:]


def shown(given: Any) -> str:
    text = repr(given)
    return text if len(text) <= 1200 else f"{text[:1000]} ... {text[-150:]}"


def shrunk(reader: Reader, folder: Path, finding: Finding, given: Any) -> Finding:
    """A smaller input that ends alike: pieces of a text or of bytes are left out as long as that is so."""
    if not isinstance(given, str | bytes) or finding.kind.startswith("more than "):
        return finding  # each step would take as long
    steps, size = 0, max(len(given) // 2, 1)
    while steps < _SHRINKING_STEPS:
        at, changed = 0, False
        while at < len(given) and steps < _SHRINKING_STEPS:
            steps += 1
            smaller = given[:at] + given[at + size :]
            again = attempt(reader, folder, finding.number, smaller)
            if isinstance(again, Finding) and again.kind == finding.kind:
                given, changed = smaller, True
                finding = again
            else:
                at += size
        if size == 1 and not changed:
            break
        size = max(size // 2, 1)
    return replace(finding, given=shown(given))
