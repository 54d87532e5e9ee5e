"""A TOML file together with the line of every key in it.

`tomllib` says what a file contains, but not where: an error about a value could only name the
file. So the text is read twice, by `tomllib` for the values and by a small scanner for the line
of each key path. The scanner only ever sees text that `tomllib` has accepted, which is what
keeps it small. Nothing here knows what an experiment is.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.base import files
from testbed.base.errors import ConfigError

MOST_BYTES = 1 << 20
MOST_NESTED = 20

KeyPath = tuple[str | int, ...]

_POSITION = re.compile(r"\s*\((?:at line (\d+), column \d+|at end of document)\)$")
# What tomllib says of `100 Mbit/s` without quotes: by itself, in an inline table, and in a list.
_UNQUOTED = ("Expected newline or end of document", "Invalid value", "Unclosed inline table", "Unclosed array")

_BLANK = re.compile(r"[ \t]*")
_FILLER = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_KEY_PART = re.compile(r'[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|\'[^\']*\'')
# The longest opening first: `"""` would also match as an empty string followed by a quote.
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\]|\\.)*"|\'[^\']*\'',
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}\n#]+")


@dataclass(frozen=True)
class TomlSource:
    """What a TOML file says (`data`) and on which line, counted from 1, each key path stands (`lines`)."""

    path: Path
    data: Mapping[str, object]
    lines: Mapping[KeyPath, int]


def read(path: Path) -> TomlSource:
    """Read a TOML file; raises ConfigError, with the line, if it is missing, unreadable or not TOML."""
    try:
        text = files.read_bytes(path, MOST_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(path, line, "not a text file in UTF-8") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in its name
        raise ConfigError(path, None, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return parse(text, path)


def parse(text: str, path: Path) -> TomlSource:
    """Parse TOML text that came from `path`; raises ConfigError with the line of a syntax error."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")  # some editors begin a file with a mark
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(text, path, str(error)) from error
    except RecursionError:
        raise ConfigError(path, None, "its brackets are nested too deep") from None
    except ValueError:  # Python's own bound, of some thousands
        raise ConfigError(path, None, "a number in it has too many digits") from None
    if _depth_is_beyond(data, MOST_NESTED):
        raise ConfigError(path, None, f"its tables and lists are nested more than {MOST_NESTED} deep")
    return TomlSource(path, data, _Scanner(text).scan())


def _depth_is_beyond(value: object, most: int) -> bool:
    level: list[object] = [value]
    for _ in range(most):
        level = [
            child
            for each in level
            for child in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
        ]
        if not level:
            return False
    return True


def _syntax_error(text: str, path: Path, message: str) -> ConfigError:
    position = _POSITION.search(message)
    what = _POSITION.sub("", message)
    at = position.group(1) if position is not None else None
    line = int(at) if at is not None else text.rstrip().count("\n") + 1
    unquoted = what.startswith(_UNQUOTED) and not (at is None and what.startswith("Unclosed"))
    hint = 'a quantity is a text in quotes, such as "100 Mbit/s"' if unquoted else ""
    return ConfigError(path, line, f"not valid TOML: {what[:1].lower()}{what[1:]}", hint=hint)


class _Scanner:
    """Walks valid TOML text once and notes the line of every key path."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._lines: dict[KeyPath, int] = {}
        self._array_lengths: dict[KeyPath, int] = {}

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._take(_FILLER)
        while self._at < len(self._text):
            if self._next_is("["):
                table = self._header()
            else:
                self._key_value(table)
            self._take(_FILLER)
        return self._lines

    def _header(self) -> KeyPath:
        line = self._line()
        is_array = self._next_is("[[")
        self._at += 2 if is_array else 1
        key = self._key()
        self._at += 2 if is_array else 1
        path: KeyPath = ()
        for part in key[:-1]:
            path = self._last_element((*path, part))
        path = (*path, key[-1])
        if is_array:
            self._lines.setdefault(path, line)
            self._array_lengths[path] = self._array_lengths.get(path, 0) + 1
        path = self._last_element(path)
        self._note(path, line)
        return path

    def _last_element(self, path: KeyPath) -> KeyPath:
        length = self._array_lengths.get(path)
        return path if length is None else (*path, length - 1)

    def _key_value(self, table: KeyPath) -> None:
        line = self._line()
        path = (*table, *self._key())
        self._note(path, line)
        self._at += 1  # the equals sign
        self._take(_BLANK)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        if self._next_is("["):
            self._array(path)
        elif self._next_is("{"):
            self._inline_table(path)
        elif self._text[self._at] in "\"'":
            self._take(_STRING)
        else:
            self._take(_SCALAR)

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        self._take(_FILLER)
        index = 0
        while not self._next_is("]"):
            element = (*path, index)
            self._note(element, self._line())
            self._value(element)
            index += 1
            self._skip_comma()
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        self._take(_FILLER)
        while not self._next_is("}"):
            self._key_value(path)
            self._skip_comma()
        self._at += 1

    def _skip_comma(self) -> None:
        self._take(_FILLER)
        if self._next_is(","):
            self._at += 1
            self._take(_FILLER)

    def _key(self) -> tuple[str, ...]:
        parts: list[str] = []
        while not parts or self._next_is("."):
            self._at += 1 if parts else 0
            self._take(_BLANK)
            part = self._take(_KEY_PART)
            # Escapes inside a quoted key are the business of tomllib, which also reads them as a value.
            parts.append(tomllib.loads(f"key = {part}")["key"] if part[0] in "\"'" else part)
            self._take(_BLANK)
        return tuple(parts)

    def _note(self, path: KeyPath, line: int) -> None:
        for length in range(1, len(path)):
            self._lines.setdefault(path[:length], line)
        self._lines[path] = line

    def _line(self) -> int:
        return bisect_right(self._line_starts, self._at)

    def _next_is(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise ValueError(f"line {self._line()}: tomllib accepts what the line index cannot follow")
        self._at = match.end()
        return match.group()
