"""The options of the kernel that runs here, as it or its package says."""

from __future__ import annotations

import gzip
import platform
import zlib
from pathlib import Path

from testbed.kernel import config

_MOST_BYTES = 4_000_000


def options(running: Path = Path("/proc/config.gz"), installed: Path | None = None) -> frozenset[str] | None:
    """The options (`CONFIG_IP_VS`) that the running kernel has, built in or as modules; None if nothing says so.

    A kernel with CONFIG_IKCONFIG_PROC says so itself; a distribution's package leaves the configuration in /boot.
    """
    for path in (running, installed or Path(f"/boot/config-{platform.release()}")):
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
                found = config.enabled(file.read(_MOST_BYTES).decode())
        except (OSError, EOFError, ValueError, zlib.error):
            continue
        if found:
            return found
    return None
