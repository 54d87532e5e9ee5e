"""Text that is not ours: how it is shown, and how it is read.

What comes from a capture, a guest, another machine or a run directory may hold terminal escapes, line breaks or
characters that turn the reading direction. Whatever prints or writes it for people passes it through `plain` (one
line) or `plain_lines` first. What reads it as JSON uses `parse_json`, which has bounds where the standard library has
none.
"""

from __future__ import annotations

import json
import re
from typing import Any

MOST_NESTED = 100
"""How deep the brackets of JSON may be nested."""

# C0 and C1 controls, DEL, lone surrogates (bytes of names that are no UTF-8), separators that some take for line ends,
# and what changes the direction of text or hides in it (Unicode's Bidi_Control, zero-width, tags).
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u200b-\u200f\u202a-\u202e\u2060-\u2069\u061c\ufeff\U000e0000-\U000e007f]"
)
_UNSAFE_BUT_LINES = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))
_MOST_INTEGER = 1 << 64
_TOO_DEEP = f"nested more than {MOST_NESTED} deep"


def plain(text: object) -> str:
    """The text in one line without anything that a terminal obeys: such characters are shown as escapes (`\\x1b`)."""
    return _UNSAFE.sub(_escaped, str(text))


def plain_lines(text: object) -> str:
    """The same, but line breaks (`\\n`) and tabs stay what they are."""
    return _UNSAFE_BUT_LINES.sub(_escaped, str(text))


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character) or (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )


def parse_json(text: str | bytes) -> Any:
    """What the JSON says; ValueError for what is none, is nested too deep, or counts beyond 64 bits.

    NaN and Infinity, which Python's own reader takes, are no JSON (RFC 8259, section 6).
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    try:
        value = json.loads(text, parse_int=_integer, parse_float=_real, parse_constant=_no_number)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MOST_NESTED):
        children = [child for each in level for child in (each.values() if isinstance(each, dict) else each)]
        level = [child for child in children if isinstance(child, dict | list)]
        if not level:
            return value
    raise ValueError(_TOO_DEEP)


def _integer(digits: str) -> int:
    number = int(digits) if len(digits) <= 21 else _MOST_INTEGER
    if not -_MOST_INTEGER < number < _MOST_INTEGER:
        raise ValueError(f"{digits[:12]}... is no number of 64 bits" if len(digits) > 12 else f"{digits} is too large")
    return number


def _real(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{digits[:12]}: too large a number")
    return number


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")
