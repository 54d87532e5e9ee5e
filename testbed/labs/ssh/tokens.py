"""The tokens of ProxyCommand and ProxyJump: the options that OpenSSH expands only when it uses them.

Source: ssh_config(5), TOKENS: `%%`, `%h`, `%k`, `%n`, `%p` and `%r`.
"""

from __future__ import annotations

import re

from testbed.base.errors import UsageError

_TOKEN = re.compile(r"%(.?)", re.DOTALL)


def expand(text: str, option: str, tokens: dict[str, str]) -> str:
    """The text with each token replaced, once; raises `UsageError` for one that the option does not have."""

    def value(match: re.Match[str]) -> str:
        letter = match[1]
        if letter == "%":
            return "%"
        if letter not in tokens:
            every = " ".join(f"%{each}" for each in ("%", *tokens))
            raise UsageError(f"{option} {text[:500]!r}: it has no token %{letter}", hint=f"the tokens are: {every}")
        return tokens[letter]

    return _TOKEN.sub(value, text)
