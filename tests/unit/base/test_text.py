"""Foreign text loses its power over the terminal, and foreign JSON over our memory and stack."""

from __future__ import annotations

import os

import pytest

from testbed.base.text import parse_json, plain, plain_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße, 漢字 ✓", "Grüße, 漢字 ✓"),
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\nCOMMAND #\r\tb", "a\\nCOMMAND #\\r\\tb"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2028\x85\x7f", "\\u2028\\x85\\x7f"),
        (os.fsdecode(b"caf\xe9.pcap"), "caf\\xe9.pcap"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert plain(text) == shown
    plain(text).encode("utf-8")


def test_several_lines_stay_lines() -> None:
    assert plain_lines("a\n\tb\x1b[2J\r\n") == "a\n\tb\\x1b[2J\\r\n"


def test_json_as_it_is_used() -> None:
    value = {"a": [1, 2.5, None, True, {"b": "]["}], "key": 2**64 - 1, "big": 1e300}
    assert parse_json('{"a": [1, 2.5, null, true, {"b": "]["}], "key": 18446744073709551615, "big": 1e300}') == value
    assert parse_json(b"[1]") == [1]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "[" * 101 + "]" * 101,
        '{"a":' * 150 + "1" + "}" * 150,
        "1" * 400,
        "1" * 5000,
        "-18446744073709551616",
        "",
        "{",
        b"\xff\xfe",
    ],
)
def test_what_is_no_json_of_ours_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


def test_as_deep_as_is_allowed() -> None:
    assert parse_json("[" * 100 + "]" * 100) is not None
