"""Where a Dask cluster is, as it is written: `local`, or the address of its scheduler."""

from __future__ import annotations

import re
import socket

from testbed.base.errors import UsageError
from testbed.base.text import plain

LOCAL = "local"
"""Workers that are started here, one for each core, and end with the lab."""

_ADDRESS = re.compile(r"(?:(tcp|tls)://)?(\[[0-9A-Fa-f:.]+\]|[\w.-]+):([0-9]{1,5})")


def parse(text: str) -> str:
    """`local`, or the scheduler's address with its protocol; raises `UsageError`."""
    if text == LOCAL:
        return LOCAL
    match = _ADDRESS.fullmatch(text)
    hint = "write dask:local, or the scheduler's address: dask:HOST:8786, dask:tls://HOST:8786"
    if match is None or match[2].startswith("-"):
        raise UsageError(f"lab 'dask:{plain(text)}': not the address of a scheduler", hint=hint)
    if not 0 < int(match[3]) < 65536:
        raise UsageError(f"lab 'dask:{plain(text)}': there is no port {int(match[3])}", hint=hint)
    return f"{match[1] or 'tcp'}://{match[2]}:{match[3]}"


def knock(address: str, timeout_s: float) -> None:
    """Raise OSError at once where nobody listens: Dask would try again and again until its time is over."""
    match = _ADDRESS.fullmatch(address)
    assert match is not None, address
    with socket.create_connection((match[2].strip("[]"), int(match[3])), timeout_s):
        pass
