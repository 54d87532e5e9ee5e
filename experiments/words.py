"""Words for what is wrong in an experiment's file."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from typing import Any

_TYPING_ERROR = 0.8
"""How alike two words are if one is probably the other mistyped; less than that, and it is another word."""

_LONGEST = 80
"""Characters of a value that are quoted: somebody has to read them."""


def did_you_mean(name: str, valid: Iterable[str], otherwise: str) -> str:
    """A hint for a name that does not exist: the nearest one that does, else `otherwise` and all of them."""
    names = list(valid)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"{otherwise}: {', '.join(names)}"


def mistyped(name: str, valid: Iterable[str]) -> str:
    """The valid name that somebody meant who wrote another; an empty text if it is valid, or like none."""
    names = list(valid)
    close = () if name in names else difflib.get_close_matches(name, names, n=1, cutoff=_TYPING_ERROR)
    return close[0] if close else ""


def not_one_of(key: str, given: object, valid: Sequence[str]) -> tuple[str, str]:
    """What is wrong with a value that is none of those that there are, and a hint."""
    close = difflib.get_close_matches(str(given), valid, n=1)
    what = f"{key}: {shown(given)} is not one of {', '.join(valid)}"
    return what, f"did you mean {close[0]!r}?" if close else ""


def shown(value: Any) -> str:
    """A value as it is quoted to somebody who wrote it in TOML."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
