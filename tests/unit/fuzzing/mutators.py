"""How an input is made from good ones: texts, bytes and JSON, damaged and stretched in ways that strangers' files are.

Each function draws from a generator that is handed in and changes nothing it is given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

ODD_TEXTS = (
    "", " ", "\t", "\n", "\r", "\r\n", "\0", "\x1b[31m", "\x85", "\u2028", "\u202e", "\ufeff", "\U0001f600", "é",
    "\udc80",
    "none", "None", "null", "true", "nan", "NaN", "inf", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "1e400",
    "-1", "-0", "0", "00", "0x10", "1_000", "0.1", ".", "-", "+", ",", ":", ";", "/", "//", "\\", "%", "$", "#", "=",
    "@",
    "\"", "'", "`", "(", ")", "[", "]", "{", "}", "<", ">", "*", "?", "!", "|", "&", "~", "^", "..", "../..",
    "/etc/passwd",
    "²", "½", "٣", "१", "１", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808",
    "18446744073709551616", "9" * 25, "9" * 400, "1" + "0" * 5000, "A" * 300, "a.b.c", "10.0.0.1", "::1", "300.1.1.1",
    "::ffff:10.0.0.1", "fe80::1%eth0", "$(touch x)", "$x_{$", "\\frac{", "%s%n", "{0}", "{{ x }}", "<b>", "&amp;",
    "--help",
    "-o", "[" * 200, "{" * 200, "(" * 200, "[" * 100_000, '{"a":' * 3000, "a=" * 50,
)  # fmt: skip
"""Texts that have broken readers: numbers at the edges, digits that are none, escapes, what nests."""

_ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 255, 65536, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**30,
    10**400, 0.5, -0.5, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf"), [], {}, [[]], [{}], [None],
    [1],
    {"": ""}, {"a": 1}, "", [0] * 50,
)  # fmt: skip


def mutate_text(chance: Random, text: str, words: Sequence[str] = ODD_TEXTS, others: Sequence[str] = ()) -> str:
    """The text with one to four changes; `words` are put into it, and pieces of `others`."""
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        at = chance.randint(0, len(text))
        end = min(len(text), at + chance.choice((0, 1, 1, 2, 3, 5, 9, 20, 100)))
        what = chance.randrange(9)
        if what < 3:
            text = text[:at] + chance.choice(words) + text[end:]
        elif what == 3:
            text = text[:at] + text[end:]
        elif what == 4:
            text = text[:end] + text[at:end] * chance.choice((1, 1, 2, 50)) + text[end:]
        elif what == 5:
            text = text[:at] + chr(chance.choice((chance.randrange(128), chance.randrange(0x3000)))) + text[end:]
        elif what == 6:
            text = _with_other_number(chance, text, at)
        elif what == 7 and others:
            other = chance.choice(others)
            start = chance.randint(0, len(other))
            text = text[:at] + other[start : start + chance.choice((5, 30, 200))] + text[end:]
        elif what == 8 and chance.random() < 0.3:
            text = text[:at]
        else:
            text = _with_lines_moved(chance, text)
    return text


def _with_other_number(chance: Random, text: str, at: int) -> str:
    while at < len(text) and not text[at].isdigit():
        at += 1
    end = at
    while end < len(text) and text[end].isdigit():
        end += 1
    return text[:at] + chance.choice(("0", "1", "-1", "65536", "99999999999", "9" * 400, "1e5", "1.5", "")) + text[end:]


def _with_lines_moved(chance: Random, text: str) -> str:
    lines = text.split("\n")
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    if chance.random() < 0.3:
        del lines[one]
    return "\n".join(lines)


def mutate_bytes(chance: Random, content: bytes) -> bytes:
    """The bytes with one to three kinds of damage."""
    changed = bytearray(content)
    for damage in chance.choices(_DAMAGES, k=chance.randint(1, 3)):
        if changed:
            damage(chance, changed)
    return bytes(changed)


def _flip(chance: Random, content: bytearray) -> None:
    for _ in range(chance.choice((1, 1, 2, 5, 30))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _overwrite(chance: Random, content: bytearray) -> None:
    at, size = chance.randrange(len(content)), chance.choice((1, 2, 4, 8, 40))
    content[at : at + size] = chance.choice((bytes(size), b"\xff" * size, b"\x7f" * size, chance.randbytes(size)))


def _cut(chance: Random, content: bytearray) -> None:
    del content[chance.randrange(len(content)) :]


def _take_out(chance: Random, content: bytearray) -> None:
    at = chance.randrange(len(content))
    del content[at : at + chance.choice((1, 2, 4, 16, 200))]


def _insert(chance: Random, content: bytearray) -> None:
    at = chance.randrange(len(content))
    content[at:at] = chance.randbytes(chance.choice((1, 2, 4, 16, 200)))


def _repeat(chance: Random, content: bytearray) -> None:
    at, size = chance.randrange(len(content)), chance.choice((1, 4, 40, 2000))
    content[at:at] = content[at : at + size]


_DAMAGES: tuple[Callable[[Random, bytearray], None], ...] = (_flip, _overwrite, _cut, _take_out, _insert, _repeat)


def mutate_json(chance: Random, value: Any) -> bytes:
    """The value with one to three of its parts replaced, renamed, repeated or gone; as text that may be damaged too."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        value = _with_a_part_changed(chance, value)
    text = json.dumps(value, ensure_ascii=False)
    if chance.random() < 0.15:
        text = mutate_text(chance, text)
    content = text.encode("utf-8", errors="surrogatepass")
    if chance.random() < 0.05:
        content = mutate_bytes(chance, content)
    if chance.random() < 0.002:
        content = chance.choice((b"", b"\xff\xfe", b"[" * 300_000, b'{"a":' * 100_000, b"9" * 5000, content * 1000))
    return content


def odd_value(chance: Random) -> Any:
    """A value that JSON can say and a reader does not expect."""
    return chance.choice(_ODD_VALUES) if chance.random() < 0.7 else chance.choice(ODD_TEXTS)


def _with_a_part_changed(chance: Random, value: Any) -> Any:
    """Goes down to some part; what lies on the way is copied, the rest is shared."""
    if isinstance(value, dict) and value:
        key = chance.choice(list(value))
        if chance.random() < 0.6 or not isinstance(value[key], dict | list):
            what = chance.randrange(8)
            if what == 0:
                return {name: each for name, each in value.items() if name != key}
            if what == 1:
                return {chance.choice(ODD_TEXTS) if name == key else name: each for name, each in value.items()}
            if what == 2:
                return {**value, chance.choice(ODD_TEXTS): value[key]}
            if what == 3:
                return {**value, key: value[chance.choice(list(value))]}
        return {**value, key: _with_a_part_changed(chance, value[key])}
    if isinstance(value, list) and value:
        at = chance.randrange(len(value))
        what = chance.randrange(8)
        if what == 0:
            return value[:at] + value[at + 1 :]
        if what == 1:
            return value[:at] + [value[at]] * chance.choice((2, 50)) + value[at + 1 :]
        return [*value[:at], _with_a_part_changed(chance, value[at]), *value[at + 1 :]]
    if isinstance(value, str) and chance.random() < 0.4:
        return mutate_text(chance, value)
    if isinstance(value, int | float) and chance.random() < 0.3:
        return chance.choice((value + 1, -value, value * 10, value * 10**12, str(value), [value]))
    return odd_value(chance)
