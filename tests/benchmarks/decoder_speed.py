"""How many packets a second of one core the decoder takes in, beside tshark and dpkt on the same file.

    make bench-decoder CAPTURES="results/latest/points/*/c-eth0.pcap"

Every run is a process of its own, bound to one CPU; what counts is the CPU time of the whole process (user and system),
so that a busy machine disturbs it little, less the CPU time that the same tool takes for a capture without packets
(its start). All three read the first FRAMES frames of a capture; the decoder reads all of it as well, for its peak
memory. tshark prints the fields that the decoder has as columns; dpkt makes objects of Ethernet, IP, TCP and the list
of options, and knows nothing of MPTCP.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "analysis"))
from tshark import HEADER_FIELDS, OPTION_FIELDS

from analysis.errors import AnalysisError
from analysis.pcap import iter_packets

REPOSITORY = Path(__file__).resolve().parents[2]
DECODER = """
import sys
from pathlib import Path
from analysis.pcap import iter_packets
print(sum(chunk.records for chunk in iter_packets(Path(sys.argv[1]))))
"""
DPKT = """
import sys
import dpkt
frames = 0
with open(sys.argv[1], "rb") as stream:
    for _, raw in dpkt.pcap.UniversalReader(stream):
        frames += 1
        segment = dpkt.ethernet.Ethernet(raw).data.data
        if isinstance(segment, dpkt.tcp.TCP):
            dpkt.tcp.parse_opts(segment.opts)
print(frames)
"""


@dataclass(frozen=True)
class Run:
    """What one process took: CPU seconds, peak memory in bytes, and the frames that it counted."""

    cpu_s: float
    peak_bytes: int
    frames: int


Count = Callable[[bytes], int]


@dataclass(frozen=True)
class Tool:
    """A way to decode a capture: the argv before the file's name, and how its output tells the frames."""

    name: str
    argv: Sequence[str]
    count: Count

    def run(self, path: Path) -> Run:
        """Decode the file once."""
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen([*self.argv, str(path)], stdout=out, stderr=subprocess.DEVNULL, cwd=REPOSITORY)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise SystemExit(f"{self.name}: ended with status {process.returncode} on {path}")
            out.seek(0)
            frames = self.count(out.read())
        return Run(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, frames)


def tools() -> list[Tool]:
    """The decoder and what it is compared with."""
    fields = [word for name in (*HEADER_FIELDS, *OPTION_FIELDS) for word in ("-e", name)]
    settings = [
        word
        for name in ("relative_sequence_numbers", "analyze_sequence_numbers", "desegment_tcp_streams")
        for word in ("-o", f"tcp.{name}:FALSE")
    ]
    return [
        Tool("decoder", (sys.executable, "-c", DECODER), int),
        Tool("tshark", ("tshark", "-n", "-T", "fields", *settings, *fields, "-r"), lambda out: out.count(b"\n")),
        Tool("dpkt", (sys.executable, "-c", DPKT), int),
    ]


def first_frames(path: Path, frames: int, target: Path) -> int:
    """Copy the first frames of a classic capture; how many there are."""
    seen, end = 0, 0
    for chunk in iter_packets(path):
        wanted = chunk.frame <= frames
        end = int(chunk.record_offset[~wanted][0]) if not wanted.all() else path.stat().st_size
        seen += chunk.records
        if seen > frames:
            break
    with path.open("rb") as source, target.open("wb") as copy:
        left = end
        while left and (data := source.read(min(left, 1 << 22))):
            copy.write(data)
            left -= len(data)
    return sum(chunk.records for chunk in iter_packets(target))


def spread(values: Sequence[float], form: str = "{:,.0f}") -> str:
    """Smallest, median and largest."""
    return " / ".join(form.format(each) for each in (min(values), statistics.median(values), max(values)))


def measure(path: Path, frames: int, repeat: int, directory: Path) -> None:
    """Print what each tool does with one capture."""
    with path.open("rb") as stream:
        if stream.read(4) == b"\x0a\x0d\x0d\x0a":
            raise SystemExit(f"bench-decoder: {path}: a pcapng file: make a pcap of it with editcap -F nsecpcap")
    some, none = directory / "some.pcap", directory / "none.pcap"
    count = first_frames(path, frames, some)
    none.write_bytes(some.read_bytes()[:24])
    print(f"\n{path}: the first {count:,} frames, {some.stat().st_size / 1e6:,.0f} MB")
    print(f"{'':10}{'packets/s: min / median / max':>42}{'decoder is':>14}{'start':>10}{'peak':>9}")
    medians: dict[str, float] = {}
    for tool in tools():
        start_s = statistics.median(tool.run(none).cpu_s for _ in range(repeat))
        runs = [tool.run(some) for _ in range(repeat)]
        if {run.frames for run in runs} != {count}:
            raise SystemExit(f"{tool.name} counts {sorted({run.frames for run in runs})} frames, not {count}")
        rates = [count / max(run.cpu_s - start_s, 1e-9) for run in runs]
        medians[tool.name] = statistics.median(rates)
        ratio = "" if tool.name == "decoder" else f"{medians['decoder'] / medians[tool.name]:,.0f} x"
        peak = max(run.peak_bytes for run in runs) / 1e6
        print(f"{tool.name:10}{spread(rates):>42}{ratio:>14}{start_s:>8.2f} s{peak:>6.0f} MB")
    decoder, size = tools()[0], path.stat().st_size
    start_s = statistics.median(decoder.run(none).cpu_s for _ in range(repeat))
    runs = [decoder.run(path) for _ in range(repeat)]
    rates = [run.frames / (run.cpu_s - start_s) for run in runs]
    peak = max(run.peak_bytes for run in runs) / 1e6
    print(f"the decoder on all of it: {runs[0].frames:,} frames, {size / 1e6:,.0f} MB, peak {peak:,.0f} MB")
    print(f"{'decoder':10}{spread(rates):>42}")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", nargs="+", type=Path, metavar="CAPTURE", help="a classic pcap")
    parser.add_argument("--frames", type=int, default=300_000, help="that tshark and dpkt get (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.frames < 1 or arguments.repeat < 1:
        parser.error("--frames and --repeat: 1 at least")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for path in arguments.captures:
        with tempfile.TemporaryDirectory() as directory:
            try:
                measure(path, arguments.frames, arguments.repeat, Path(directory))
            except (AnalysisError, FileNotFoundError) as error:
                raise SystemExit(f"bench-decoder: {error}") from error


if __name__ == "__main__":
    main()
