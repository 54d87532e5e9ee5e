"""How much memory the analysis of a point takes at most, and how that grows with its captures.

    make bench-memory RUNS="results/latest"

Each point is analysed by a process of its own, as `testbed analyze` does it, without figures. What counts is that
process' high-water mark. The largest points come first, then the smallest with a megabyte of captures, to which the
growth (what comes on top of the imports) per byte of captures is set as a ratio. The status is 1 if a point takes more
than `testbed run` reckons with, when it decides what to analyse while other points need memory.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# Nothing large is imported here: Linux counts the peak memory of the process that starts another one as the other's.

ANALYSIS = """
import re, sys
from pathlib import Path
from analysis.summary.of_point import analyse_point_fully
from analysis.summary.point_analyses import memory_needed

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

before = peak()
found = analyse_point_fully(Path(sys.argv[1]))
reasons = "; ".join(found.summary.invalid_reasons)
print(before, peak(), memory_needed(Path(sys.argv[1])), reasons or "-", sep="\\t")
"""
SMALLEST = 1_000_000


@dataclass(frozen=True)
class Found:
    """What the analysis of one point took, in bytes: after its imports, at most, and what was reckoned with."""

    point: str
    captures: int
    before: int
    peak: int
    reckoned: int
    invalid: str

    @property
    def per_byte(self) -> float:
        """Bytes of memory for each byte of captures, on top of the imports."""
        return (self.peak - self.before) / self.captures


def captures_of(point: Path) -> int:
    """Bytes of a point's captures."""
    return sum(path.stat().st_size for path in point.glob("*.pcap*"))


def measured(point: Path) -> Found:
    """Analyse the point in a process of its own."""
    done = subprocess.run([sys.executable, "-c", ANALYSIS, str(point)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"bench-memory: {point}: {done.stderr.strip().splitlines()[-1]}")
    before, peak, reckoned, invalid = done.stdout.rstrip("\n").split("\t")
    return Found(point.name, captures_of(point), int(before), int(peak), int(reckoned), invalid)


def main() -> None:
    """A row per point, the largest first; the smallest of those with a megabyte of captures is the last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--largest", type=int, default=3, help="so many of the largest points, and the smallest one")
    arguments = parser.parse_args()
    points = [point for run in arguments.runs for point in (run / "points").glob("[!.]*") if captures_of(point)]
    points.sort(key=captures_of, reverse=True)
    if not points:
        sys.exit(f"bench-memory: {arguments.runs[0]}: no point with captures in it")
    large = [point for point in points if captures_of(point) >= SMALLEST] or points
    chosen = list(dict.fromkeys([*large[: arguments.largest], large[-1]]))
    found = [measured(point) for point in chosen]
    print(
        f"{'point':40} {'captures MB':>11} {'imports':>8} {'peak MB':>8} {'reckoned':>9} {'per byte':>9} {'ratio':>6}"
    )
    for each in found:
        sizes = [f"{value / 1e6:.1f}" for value in (each.captures, each.before, each.peak, each.reckoned)]
        row = f"{each.point:40} {sizes[0]:>11} {sizes[1]:>8} {sizes[2]:>8} {sizes[3]:>9} {each.per_byte:9.2f}"
        print(f"{row} {each.per_byte / found[-1].per_byte:6.2f}")
    for each in found:
        if each.invalid != "-":
            print(f"{each.point} is invalid: {each.invalid}")
    greedy = [each for each in found if each.peak > each.reckoned]
    for each in greedy:
        print(f"{each.point}: more than `testbed run` reckons with")
    sys.exit(1 if greedy else 0)


if __name__ == "__main__":
    main()
