"""QEMU's monitor: the power button, by QEMU's own library for its protocol (QMP)."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

_LIMIT_S = 10.0


def press_power_button(folder: Path, socket: str) -> bool:
    """Ask the machine to shut down in order; False if its monitor does not answer."""
    # It brings asyncio along, which no other command should pay for.
    import asyncio

    from qemu.qmp import QMPError

    logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())
    try:
        asyncio.run(asyncio.wait_for(_press(folder, socket), _LIMIT_S))
    except (QMPError, OSError, TimeoutError):
        return False
    return True


async def _press(folder: Path, socket: str) -> None:
    from qemu.qmp import QMPClient, QMPError

    # A socket's path may have 107 bytes, a directory's may have more: by its descriptor it is short.
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        client = QMPClient("testbed")
        await client.connect(f"/proc/self/fd/{handle}/{socket}")
        try:
            await client.execute("system_powerdown")
        finally:
            with contextlib.suppress(QMPError):
                await client.disconnect()
    finally:
        os.close(handle)
