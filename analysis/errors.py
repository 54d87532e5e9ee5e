"""The one error of this room: a file that cannot be understood, said in one line."""

from __future__ import annotations

from testbed.base.text import plain


class AnalysisError(Exception):
    """A file or directory that cannot be analysed; `hint` says what the reader can do about it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return plain(f"{self.message} ({self.hint})" if self.hint else self.message)

    def __reduce__(self) -> tuple[object, ...]:
        # The default would lose the keyword argument when a worker process sends the error to its parent.
        return (_rebuild, (self.message, self.hint))


def _rebuild(message: str, hint: str) -> AnalysisError:
    return AnalysisError(message, hint=hint)
