"""Large reads for `ab` in the embedded lab: with the library the same pages and failures come out as without it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from guest_points import planned, run_soundly

from analysis.summary.model import PointSummary
from analysis.summary.of_point import analyse_point
from testbed.base.errors import ReadbackError
from testbed.labs.uml import UmlLab
from testbed.record.ab import read_ab
from testbed.record.large_reads import FILE, Reads, read_large_reads
from testbed.runs import digests
from testbed.tools import large_reads

PAGES = ("workload.sizes=200 KB", "workload.total=12 MB")
DOWNLOADS = (
    "workload.concurrency=12", "workload.size=2 MB", "workload.duration=6 s", "timetable.cycle=3 s", "timetable.up=2 s",
    "topology.server_rate=100 Mbit/s", "topology.client_rate=1 Gbit/s",
)  # fmt: skip

# In six seconds a few connections that wait for a timeout make as much; whole figures differ by 2 % (docs/speed.md).
_OF_SIX_SECONDS = 0.1


def run_point(lab: UmlLab, out: Path, name: str, protocol: str, *overrides: str) -> PointSummary:
    run_soundly(lab, out, planned(name, protocol, overrides), wall_limit_s=600)
    summary = analyse_point(out)
    assert summary.valid, summary.invalid_reasons
    return summary


def both_ways(lab: UmlLab, out: Path, name: str, protocol: str, *overrides: str) -> dict[bool, PointSummary]:
    return {
        large: run_point(
            lab, out / str(large), name, protocol, *overrides, f"workload.large_reads={str(large).lower()}"
        )
        for large in (True, False)
    }


@pytest.mark.parametrize("protocol", ["tcp", "mptcp"])
def test_the_same_pages_are_loaded_both_ways(lab: UmlLab, tmp_path: Path, protocol: str) -> None:
    found = both_ways(lab, tmp_path, "fig07", protocol, *PAGES)
    totals = {large: read_ab(tmp_path / str(large) / "ab.txt") for large in found}
    for name in ("complete_requests", "reported_failures", "html_bytes", "total_bytes"):
        assert getattr(totals[True], name) == getattr(totals[False], name), name
    assert found[True].complete_requests == 60
    assert found[True].failed_requests == found[False].failed_requests == 0
    if protocol == "tcp":  # of so few pages over MPTCP, one that stalls decides
        assert found[True].goodput_bps == pytest.approx(found[False].goodput_bps, rel=0.01)
    counts = read_large_reads(tmp_path / "True")
    assert counts.reads >= 60 * 200_000 / 8192
    assert counts.system_calls < counts.reads
    assert not (tmp_path / "False" / FILE).exists()
    # It is a part of the point, and of what is compared.
    points = {large: json.loads((tmp_path / str(large) / "point.json").read_text()) for large in found}
    assert points[True] != points[False]
    assert FILE in digests.of_directory(tmp_path / "True")


def test_uploads_are_the_same_both_ways(lab: UmlLab, tmp_path: Path) -> None:
    found = both_ways(lab, tmp_path, "upload", "mptcp", "workload.sizes=200 KB", "workload.total=8 MB")
    assert found[True].complete_requests == found[False].complete_requests > 0
    assert found[True].failed_requests == found[False].failed_requests == 0


def test_tcp_downloads_fail_both_ways_when_servers_change(lab: UmlLab, tmp_path: Path) -> None:
    found = both_ways(lab, tmp_path, "fig13", "tcp", *DOWNLOADS)
    for summary in found.values():
        assert summary.failed_requests and summary.resets_received
    assert found[True].goodput_bps == pytest.approx(found[False].goodput_bps, rel=_OF_SIX_SECONDS)


def test_mptcp_downloads_go_on_both_ways_when_servers_change(lab: UmlLab, tmp_path: Path) -> None:
    found = both_ways(lab, tmp_path, "fig14", "mptcp", *DOWNLOADS)
    assert found[True].goodput_bps == pytest.approx(found[False].goodput_bps, rel=_OF_SIX_SECONDS)
    assert read_large_reads(tmp_path / "True") != Reads(reads=0, system_calls=0)


def test_a_library_that_cannot_be_loaded_ends_the_point(guest, tmp_path: Path) -> None:
    script = """
from pathlib import Path
import subprocess
from testbed.tools import large_reads
broken = Path("/tmp/broken.so")
broken.write_text("no library")
large_reads.installed = lambda: broken
argv = large_reads.preloaded(["true"], Path("/tmp/link.so"), Path("/tmp"))
print(subprocess.run(argv, capture_output=True).returncode)
large_reads.read_back(Path("/tmp"))
"""
    done = guest(sys.executable, "-c", script)
    assert done.result.status == 1
    assert done.stdout == b"0\n"
    assert ReadbackError.__name__ in done.stderr.decode()
    assert large_reads.NAME in done.stderr.decode()
