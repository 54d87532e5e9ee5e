"""How busy this machine was while a job ran in real time: its cores' idle time, second by second.

A result in real time depends on what else the machine does. `host_load.jsonl` in the job's output has a line per
second (`testbed.record.host_load`). Whether that is good enough is for the analysis to say. Source: proc_stat(5).
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from testbed.record.host_load import FILE, HostLoad

PERIOD_S = 1.0
_STAT = Path("/proc/stat")


@dataclass(frozen=True)
class CoreTime:
    """What the cores have done since the start of the machine, in seconds summed over them."""

    cores: int
    busy_s: float
    idle_s: float
    stolen_s: float


def read(text: str, ticks_per_s: int) -> CoreTime:
    """The first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal (guest is in user)."""
    lines = text.splitlines()
    user, nice, system, idle, waiting, irq, softirq, stolen, *_ = (int(word) for word in lines[0].split()[1:])
    cores = sum(line.startswith("cpu") for line in lines[1:])
    busy = user + nice + system + irq + softirq
    return CoreTime(cores, busy / ticks_per_s, (idle + waiting) / ticks_per_s, stolen / ticks_per_s)


@contextlib.contextmanager
def recorded(output: Path) -> Iterator[None]:
    """Write a line per second until the block ends."""
    ended = threading.Event()
    with (output / FILE).open("x", encoding="utf-8") as file:

        def sample() -> None:
            ticks_per_s = os.sysconf("SC_CLK_TCK")
            before, since = read(_STAT.read_text(), ticks_per_s), time.monotonic()
            while not ended.wait(max(0.0, since + PERIOD_S - time.monotonic())):
                now, at = read(_STAT.read_text(), ticks_per_s), time.monotonic()
                second = HostLoad(
                    epoch_s=round(time.time(), 6),
                    seconds=round(at - since, 6),
                    cores=now.cores,
                    busy_s=round(now.busy_s - before.busy_s, 2),
                    idle_s=round(now.idle_s - before.idle_s, 2),
                    stolen_s=round(now.stolen_s - before.stolen_s, 2),
                )
                file.write(second.line())
                file.flush()
                before, since = now, at

        thread = threading.Thread(target=sample, name="host-load", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
