"""The lab kernel leaves floating point registers in the host process (patch 0007): no thread may lose its own."""

from __future__ import annotations

from pathlib import Path

SOURCE = Path(__file__).with_name("floating_point_probe.c")


def test_every_thread_keeps_its_floating_point_registers(guest) -> None:
    ended = guest(
        "sh", "-c", f'gcc -O1 -Wall -Werror -pthread -o "$TESTBED_OUT/probe" "{SOURCE}" && "$TESTBED_OUT/probe"'
    )
    assert (ended.stdout.decode(), ended.result.status) == ("0 lost\n", 0), ended.stderr.decode()
