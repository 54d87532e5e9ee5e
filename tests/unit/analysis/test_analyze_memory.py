"""`testbed analyze` with tables and figures stays below 500 MB, however far apart the times in a capture are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import packet_maker as make
import pytest
from download_maker import END, ISN, LAST_SEQ, MS, PORT, Frames, T, download

MOST_MB = 500
DAY, YEAR = 86_400 * 10**9, 31_556_952 * 10**9

# Its own high-water mark: that of getrusage is at least the one of the process that started it.
_PROGRAM = """
import re, sys
from experiments.cli.main import main
try:
    main(["analyze", *sys.argv[1:]])
except SystemExit as ended:
    status = ended.code
print("peak", status, int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) // 1024)
"""


def peak_mb(*arguments: str | Path) -> int:
    """The most memory that the command had at once; it must end well."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=True
    )
    _, status, peak = done.stdout.splitlines()[-1].split()
    assert status == "0", done.stdout + done.stderr
    return int(peak)


def reset(at_ns: int) -> tuple[int, bytes]:
    return at_ns, make.to_client(80, PORT, make.RST | make.ACK, seq=LAST_SEQ, ack=ISN + 1)


def ten_years() -> Frames:
    """Two connections, each ended by a RST, ten years apart; between them a packet a month."""
    first, second = [*download(), reset(END + MS)], [*download(start=T + 10 * YEAR), reset(END + 10 * YEAR + MS)]
    months = [(T + month * 30 * DAY, make.to_client(80, 9, make.ACK, seq=month, payload=9)) for month in range(1, 120)]
    return [*first, *months, *second]


@pytest.mark.parametrize("kind", ["ten years", "from 1970 on", "two clocks"])
def test_time_costs_no_memory(tmp_path: Path, kind: str) -> None:
    captures = {
        "ten years": [ten_years()],
        "from 1970 on": [[(t - (T if number < 2 else 0), frame) for number, (t, frame) in enumerate(download())]],
        "two clocks": [download(), [(t - 50 * YEAR, frame) for t, frame in download()]],
    }[kind]
    paths = [make.write_pcap(tmp_path / f"{number}.pcap", frames) for number, frames in enumerate(captures)]
    assert peak_mb(*paths, "--packets", "--out", tmp_path / "out") < MOST_MB
    assert (tmp_path / "out" / "figures" / "captures-paths.png").exists()
