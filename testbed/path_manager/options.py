"""How the daemon works, whatever it does; apart from it, for those who only tell it."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_RECEIVE_BUFFER_BYTES = 8 << 20


@dataclass(frozen=True)
class Options:
    """How the daemon works: `take_over` sets `net.mptcp.pm_type` to 1 while it runs, and back in the end."""

    take_over: bool = False
    receive_buffer_bytes: int = DEFAULT_RECEIVE_BUFFER_BYTES
