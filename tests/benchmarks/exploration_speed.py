"""How many cases of an exploration a core runs in a second: `python tests/benchmarks/exploration_speed.py [CASES]`.

Cases of fig07's download of 100 KB, every fault of every packet in turn, in one guest; processor time of the guest and
all its processes, without its boot and the base lines, which are measured before.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path

from experiments.api.explorations import Asked, opened, points_of
from experiments.api.exploring import Explorer
from experiments.exploration.enumeration import Delays, single_faults
from testbed.record.exploration import Case

WANTED_PER_S = 20.0


def cpu_s() -> float:
    """Processor time of what this process has started and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def spread(cases: list[Case], count: int) -> list[Case]:
    """So many of the cases, evenly."""
    step = max(1, len(cases) // count)
    return cases[::step][:count]


def main() -> int:
    """Exit status: 0 if a core runs at least 20 cases a second."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    asked = Asked("fig07", jobs=1)
    (point,) = points_of(asked)
    with tempfile.TemporaryDirectory() as work, opened(asked, None) as (_, places):
        explorer = Explorer(point, places, Path(work), bound_s=asked.bound_s)
        before = cpu_s()
        base = explorer.base()
        booted = cpu_s()
        cases = spread(single_faults(base.outcome.passages(), Delays((2e-5, 0.2))), count)
        explorer.run(cases)
        all_s = cpu_s() - booted
    boot_s = booted - before
    alone = len(cases) / (all_s - boot_s)
    sys.stdout.write(f"{len(cases)} cases in {all_s:.2f} CPU s, of which {boot_s:.2f} are the boot\n")
    sys.stdout.write(f"{alone:.1f} cases per CPU second, {len(cases) / all_s:.1f} with the boot\n")
    return 0 if alone >= WANTED_PER_S else 1


if __name__ == "__main__":
    sys.exit(main())
