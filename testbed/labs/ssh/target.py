"""Where an ssh lab is, as it is written: `[user@]host[:port][/uml|/local]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from testbed.base.errors import UsageError
from testbed.base.text import plain
from testbed.labs.base import Clock

RemoteLab = Literal["uml", "local"]

# A spec may come from a file of somebody else's, and its parts reach the shell of a ProxyCommand: names have letters,
# digits and few signs, none of which means anything there (OpenSSH 9.6 and later are as strict).
_SPEC = re.compile(
    r"(?:(?P<user>[\w.+@-]+)@)?"
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<host>[\w.-]+))"
    r"(?::(?P<port>[0-9]{1,9}))?"
    r"(?:/(?P<lab>\w+))?"
)


@dataclass(frozen=True)
class Target:
    """A target as it was written: what is None is for the configuration to say; `lab` is the remote side's."""

    host: str
    user: str | None = None
    port: int | None = None
    lab: RemoteLab = "uml"

    @property
    def clocks(self) -> tuple[Clock, ...]:
        """The clocks that the lab offers, the usual one first."""
        return ("real",) if self.lab == "local" else ("virtual", "real")


def parse(text: str) -> Target:
    """The target in the text; raises `UsageError`."""
    match = _SPEC.fullmatch(text)
    text = plain(text)
    hint = "write ssh:[user@]host[:port], and /local after it for the other machine's own kernel"
    if match is None or (match["host"] or "").startswith("-") or (match["user"] or "").startswith("-"):
        raise UsageError(f"lab 'ssh:{text}': not a host", hint=hint)
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65536:
        raise UsageError(f"lab 'ssh:{text}': there is no port {port}", hint=hint)
    lab = match["lab"] or "uml"
    if lab not in ("uml", "local"):
        raise UsageError(f"lab 'ssh:{text}': the other machine has no lab {lab!r}", hint="it has: uml, local")
    return Target(match["v6"] or match["host"], match["user"], port, cast(RemoteLab, lab))
