"""What a job says while it runs: lines out of bytes, the phase it is in, and the last thing it said."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from testbed.base.text import parse_json

_LONGEST = 1 << 16
"""Bytes of one line; a job that prints no line's end must not fill the memory."""


class Lines:
    """A sink that cuts bytes into lines; of a line that has no end, so much as `_LONGEST` says is kept."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def __call__(self, data: bytes) -> None:
        """Take what has come."""
        first, *others = data.split(b"\n")
        self._add(first)
        for part in others:
            self.line(self.rest)
            self._rest.clear()
            self._add(part)

    def _add(self, part: bytes) -> None:
        self._rest += part[: _LONGEST - len(self._rest)]

    @property
    def rest(self) -> str:
        """What has come since the last line's end."""
        return self._rest.decode(errors="replace").strip()

    def line(self, text: str) -> None:
        """One whole line."""


class Phases(Lines):
    """Finds `{"phase": "..."}` among the lines, and whether it says `"measured": true`; the rest is of no interest."""

    def __init__(self, phase: Callable[[str, bool], None]) -> None:
        super().__init__()
        self._phase = phase

    def line(self, text: str) -> None:
        """Tell of the phase, if the line says one."""
        event: Any = None
        with contextlib.suppress(ValueError):
            event = parse_json(text)
        if isinstance(event, dict) and isinstance(event.get("phase"), str):
            self._phase(event["phase"], event.get("measured") is True)


class LastLine(Lines):
    """Keeps the last line that is not blank."""

    def __init__(self) -> None:
        super().__init__()
        self._last = ""

    @property
    def text(self) -> str:
        """The line; one without an end counts too."""
        return self.rest or self._last

    def line(self, text: str) -> None:
        """Keep it, unless it is blank."""
        self._last = text or self._last
