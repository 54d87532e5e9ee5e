"""What is wrong with a user's own code, in one line that names the file, and the line in it where there is one."""

from __future__ import annotations

import traceback
from pathlib import Path

from pydantic import ValidationError

from testbed.base.text import plain
from testbed.base.validation import first_problem


class BadCode(ValueError):
    """What is wrong with a user's file, and what to do about it (`hint`)."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


def in_words(error: BaseException) -> str:
    """An exception's kind and what it says."""
    text = plain(first_problem(error) if isinstance(error, ValidationError) else error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def blamed_line(error: BaseException, path: Path) -> tuple[Path, int | None] | None:
    """The last line of the code at `path` that the error went through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename).resolve()
        if file == path or path in file.parents:
            return file, frame.lineno
    return None
