"""How many packets a second of one core the decoder takes in, beside tshark and dpkt on the same file.

    make bench-decoder CAPTURES="results/latest/points/*/c-eth0.pcap"

Every run is a process of its own, bound to one CPU. What counts is CPU time (user and system), so that a busy machine
disturbs it little: of the decoder and dpkt from opening the file to its last packet, without the start of Python; of
tshark that of the process, less what it takes for a capture without packets. All three read the first FRAMES frames of
a capture; the decoder reads all of it as well, for its peak memory. tshark prints the fields that the decoder has as
columns; dpkt makes objects of Ethernet, IP, TCP and the list of options, and knows nothing of MPTCP.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "analysis"))
from tshark_fields import HEADER_FIELDS, OPTION_FIELDS

# Nothing large is imported here: Linux counts the peak memory of the process that starts another one as the other's.

REPOSITORY = Path(__file__).resolve().parents[2]
FILE_HEADER_BYTES = 24

DECODER = """
import sys, time
from pathlib import Path
from analysis.pcap import iter_packets
start = time.process_time()
frames = sum(chunk.records for chunk in iter_packets(Path(sys.argv[1])))
print(frames, time.process_time() - start)
"""
DPKT = """
import sys, time
import dpkt
start = time.process_time()
frames = 0
with open(sys.argv[1], "rb") as stream:
    for _, raw in dpkt.pcap.UniversalReader(stream):
        frames += 1
        segment = dpkt.ethernet.Ethernet(raw).data.data
        if isinstance(segment, dpkt.tcp.TCP):
            dpkt.tcp.parse_opts(segment.opts)
print(frames, time.process_time() - start)
"""
END_OF_FRAMES = """
import sys
from pathlib import Path
from testbed.base.errors import AnalysisError
from analysis.pcap import iter_packets
path, limit = Path(sys.argv[1]), int(sys.argv[2])
try:
    with path.open("rb") as stream:
        if stream.read(4) == bytes.fromhex("0a0d0d0a"):
            raise AnalysisError(f"{path}: a pcapng file: make a pcap of it with editcap -F nsecpcap")
    end = path.stat().st_size
    for chunk in iter_packets(path):
        later = chunk.record_offset[chunk.frame > limit]
        if len(later):
            end = int(later[0])
            break
    print(end)
except (AnalysisError, OSError) as error:
    sys.exit(f"bench-decoder: {error}")
"""


@dataclass(frozen=True)
class Run:
    """What one decoding took: the frames that it counted, CPU seconds, peak memory of the process in bytes."""

    frames: int
    cpu_s: float
    peak_bytes: int


def run(argv: Sequence[str], path: Path) -> Run:
    """Decode the file once; raises SystemExit if that fails."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen([*argv, str(path)], stdout=out, stderr=subprocess.DEVNULL, cwd=REPOSITORY)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"bench-decoder: {argv[0]}: ended with status {process.returncode} on {path}")
        out.seek(0)
        if argv is TSHARK:
            frames, cpu_s = sum(1 for _ in out), usage.ru_utime + usage.ru_stime
        else:
            words = out.read().split()
            frames, cpu_s = int(words[0]), float(words[1])
    return Run(frames, cpu_s, usage.ru_maxrss * 1024)


_SETTINGS = [
    word
    for name in ("relative_sequence_numbers", "analyze_sequence_numbers", "desegment_tcp_streams")
    for word in ("-o", f"tcp.{name}:FALSE")
]
_FIELDS = [word for name in (*HEADER_FIELDS, *OPTION_FIELDS) for word in ("-e", name)]
TSHARK = ("tshark", "-n", "-T", "fields", *_SETTINGS, *_FIELDS, "-r")
TOOLS = {"decoder": (sys.executable, "-c", DECODER), "tshark": TSHARK, "dpkt": (sys.executable, "-c", DPKT)}


def copy_first(path: Path, frames: int, target: Path) -> None:
    """Copy the first frames of a classic capture; raises SystemExit (one line) for what is none."""
    argv = [sys.executable, "-c", END_OF_FRAMES, str(path.resolve()), str(frames)]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    left = int(done.stdout)
    with path.open("rb") as source, target.open("wb") as copy:
        while left and (data := source.read(min(left, 1 << 20))):
            copy.write(data)
            left -= len(data)


def spread(values: Sequence[float]) -> str:
    """Smallest, median and largest."""
    return " / ".join(f"{each:,.0f}" for each in (min(values), statistics.median(values), max(values)))


def measure(path: Path, frames: int, repeat: int, directory: Path) -> None:
    """Print what each tool does with one capture."""
    some, none = directory / "some.pcap", directory / "none.pcap"
    copy_first(path, frames, some)
    with some.open("rb") as stream:
        none.write_bytes(stream.read(FILE_HEADER_BYTES))
    start_s = statistics.median(run(TSHARK, none).cpu_s for _ in range(repeat))
    count = run(TOOLS["decoder"], some).frames
    if not count:
        raise SystemExit(f"bench-decoder: {path}: no packets")
    print(f"\n{path}: the first {count:,} frames, {some.stat().st_size / 1e6:,.0f} MB")
    print(f"{'':10}{'packets/s: min / median / max':>40}{'decoder is':>12}{'peak memory':>14}")
    rates: dict[str, list[float]] = {}
    for name, argv in TOOLS.items():
        runs = [run(argv, some) for _ in range(repeat)]
        if {each.frames for each in runs} != {count}:
            raise SystemExit(
                f"bench-decoder: {name} counts {sorted({each.frames for each in runs})} frames, not {count}"
            )
        off_s = start_s if name == "tshark" else 0.0
        rates[name] = [count / max(each.cpu_s - off_s, 1e-9) for each in runs]
        ratio = statistics.median(rates["decoder"]) / statistics.median(rates[name])
        peak = max(each.peak_bytes for each in runs) / 1e6
        print(f"{name:10}{spread(rates[name]):>40}{'' if name == 'decoder' else f'{ratio:,.0f} x':>12}{peak:>11.0f} MB")
    runs = [run(TOOLS["decoder"], path.resolve()) for _ in range(repeat)]
    peak = max(each.peak_bytes for each in runs) / 1e6
    print(f"{'decoder':10}{spread([each.frames / each.cpu_s for each in runs]):>40}{'':12}{peak:>11.0f} MB", end="")
    print(f"   all {runs[0].frames:,} frames, {path.stat().st_size / 1e6:,.0f} MB")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", nargs="+", type=Path, metavar="CAPTURE", help="a classic pcap")
    parser.add_argument("--frames", type=int, default=300_000, help="that all three get (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.frames < 1 or arguments.repeat < 1:
        parser.error("--frames and --repeat: 1 at least")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for path in arguments.captures:
        with tempfile.TemporaryDirectory() as directory:
            measure(path, arguments.frames, arguments.repeat, Path(directory))


if __name__ == "__main__":
    main()
