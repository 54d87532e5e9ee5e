"""Words for what is wrong in an experiment's file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, valid: Iterable[str], otherwise: str) -> str:
    """A hint for a name that does not exist: the nearest one that does, else `otherwise` and all of them."""
    names = list(valid)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"{otherwise}: {', '.join(names)}"
