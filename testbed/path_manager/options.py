"""How the daemon works, whatever it does; apart from it, for those who only tell it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_RECEIVE_BUFFER_BYTES = 8 << 20


@dataclass(frozen=True)
class OwnAddresses:
    """An address of its own for each connection, in `prefix`; if `checked`, where joins arrive: at `interface`.

    `unique` is the address that nobody is told any more. Every `rotate_s` seconds the secret changes; 0: never. The
    check is compiled in `work`.
    """

    prefix: str
    unique: str
    interface: str
    rotate_s: float
    work: Path
    checked: bool = True


@dataclass(frozen=True)
class Options:
    """How the daemon works: `take_over` sets `net.mptcp.pm_type` to 1 while it runs, and back in the end."""

    take_over: bool = False
    receive_buffer_bytes: int = DEFAULT_RECEIVE_BUFFER_BYTES
