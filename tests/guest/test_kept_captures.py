"""`[capture] keep`: what is kept of the packets, and that a point whose captures are gone is what it was.

With TESTBED_TEST_COMBINATIONS=all, as in `make test-all`.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from extent import in_test_all

from testbed.record.digests import read_digests

TESTBED = Path(__file__).parents[2] / ".venv" / "bin" / "testbed"
POINT = ("run", "fig07", "--set", "protocols=mptcp", "--set", "workload.sizes=100 KB", "--set", "workload.total=1 MB")

pytestmark = in_test_all("three runs and their analyses: make test-all")


def command(work: Path, *words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([TESTBED, *words], cwd=work, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == status, (words, done.stdout, done.stderr)
    return done


def captures(run: Path) -> list[Path]:
    return sorted(run.glob("points/*/*.pcap"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of the point for each way."""
    work = tmp_path_factory.mktemp("work")
    command(work, *POINT, "--out", "headers")
    for way in ("tables", "all"):
        command(work, *POINT, "--set", f"capture.keep={way}", "--out", way)
    return work


def test_tables_alone_are_what_the_captures_had_said(runs: Path) -> None:
    assert captures(runs / "tables") == [] and len(captures(runs / "headers")) == 2
    (point,) = (runs / "tables" / "points").iterdir()
    (other,) = (runs / "headers" / "points").iterdir()
    assert (point / "analysis" / "tables" / "connections.parquet").exists()
    # The packets were the same, and how they were is on record.
    kept, whole = read_digests(point), read_digests(other)
    assert kept is not None and whole is not None
    assert kept.files["c-eth0.pcap"] == whole.files["c-eth0.pcap"]
    first = {path.name: path.read_bytes() for path in (runs / "tables" / "tables").iterdir() if path.is_file()}
    figure = runs / "tables" / "figures" / "fig07.png"
    drawn = figure.read_bytes()
    command(runs, "analyze", "tables")
    assert {path.name: path.read_bytes() for path in (runs / "tables" / "tables").iterdir() if path.is_file()} == first
    assert figure.read_bytes() == drawn


def test_what_needs_packets_says_that_they_were_not_kept(runs: Path) -> None:
    (point,) = (runs / "tables" / "points").iterdir()
    done = command(runs, "figures", "tables", "--point", point.name, "--connection", "1", "--out", "drawn", status=2)
    assert 'its captures were not kept ([capture] keep = "tables")' in done.stderr and done.stderr.count("\n") == 1
    assert command(runs, "verify", "tables").stdout.count("identical") >= 1


def test_whole_packets_have_their_payload(runs: Path) -> None:
    sizes = {way: sum(path.stat().st_size for path in captures(runs / way)) for way in ("headers", "all")}
    assert sizes["all"] > 1_000_000 > sizes["headers"]
    summaries = [json.loads((runs / way / "summary.json").read_text())["points"][0] for way in ("headers", "all")]
    assert all(each["valid"] for each in summaries)
    assert summaries[0]["complete_requests"] == summaries[1]["complete_requests"]


def test_a_run_without_captures_is_removed_like_any_other(runs: Path) -> None:
    command(runs, "results", "tables", "--remove", "--yes")
    assert not (runs / "tables").exists()
