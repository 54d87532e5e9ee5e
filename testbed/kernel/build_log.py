"""What a log of the kernel's make says: how many steps it has done, and its first error."""

from __future__ import annotations

import re

STEPS_OF_A_BUILD = 1370
"""Steps of a build with our fragment on 6.12, to estimate the total before there is one to remember."""

_STEP = re.compile(r"^  [A-Z][A-Z0-9_]*(?: \[M\])?\s+\S", re.MULTILINE)
_ERRORS = (
    re.compile(
        r": (?:fatal )?error: |undefined reference to |No space left on device|: (?:command )?not found$"
        r"|^\S*Kconfig\S*:\d+: (?!warning)|source tree is not clean"
    ),
    re.compile(r"\*\*\* |\bError \d+$"),
)


def count_steps(text: str) -> int:
    """Steps such as `  CC      net/mptcp/pm.o` in a piece of the log."""
    return len(_STEP.findall(text))


def first_error(log: str) -> str:
    """Why the build failed: the first error line of a compiler, linker or shell, else of make, else the last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for pattern in _ERRORS:
        for line in lines:
            if pattern.search(line):
                return line
    return lines[-1] if lines else "no message"
