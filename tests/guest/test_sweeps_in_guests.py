"""A sweep from its file to its figure: what it will be, Ctrl-C in the middle, the rest, the table and the pictures.

With TESTBED_TEST_COMBINATIONS=all, as in `make test-all`.
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pyarrow.parquet as parquet
from extent import in_test_all

from testbed.process import wait_until

TESTBED = Path(__file__).parents[2] / ".venv" / "bin" / "testbed"
DELAY, CONCURRENCY = "topology.client_director.delay", "workload.concurrency"
EXPERIMENT = """
version = 2
name = "{name}"
title = "Page loads, swept"
director = "ipvs-nat"
protocols = ["mptcp"]

[topology]
part = "load-balancer"
servers = 1
client_director = {{ rate = "100 Mbit/s", delay = "0 ms", loss = "0 %" }}
direct = {{ rate = "1 Gbit/s", delay = "0 ms", loss = "0 %" }}
director_server = {{ rate = "1 Gbit/s", delay = "0 ms", loss = "0 %" }}

[workload]
part = "page-loads"
sizes = ["100 KB"]
concurrency = 10
total = "1 MB"
min_requests = 10

[sweep.axes]
{delay}
{concurrency}
"""
GRID = ('topology.client_director.delay = {from = "1 ms", to = "10 ms", steps = 2}', "workload.concurrency = [1, 5]")
DRAWN = (
    'topology.client_director.delay = {from = "1 ms", to = "20 ms", scale = "log"}',
    "workload.concurrency = {from = 1, to = 8}\n[sweep]\nsamples = 4",
)

pytestmark = in_test_all("twelve points: make test-all")


def experiment(work: Path, name: str, axes: tuple[str, str]) -> Path:
    path = work / f"{name}.toml"
    path.write_text(EXPERIMENT.format(name=name, delay=axes[0], concurrency=axes[1]))
    return path


def command(work: Path, *words: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([TESTBED, *words], cwd=work, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == status, (words, done.stdout, done.stderr)
    return done


def swept(run: Path) -> list[dict[str, object]]:
    """The rows of a run's table of its sweep."""
    rows: list[dict[str, object]] = parquet.read_table(run / "tables" / "sweep.parquet").to_pylist()
    return rows


def outcomes(run: Path) -> dict[str, int]:
    """When each point that has ended did, by its id."""
    return {path.parent.name: path.stat().st_mtime_ns for path in run.glob("points/*/outcome.json")}


def test_a_grid_with_two_seeds_goes_on_after_ctrl_c_and_is_drawn(tmp_path: Path) -> None:
    grid = experiment(tmp_path, "grid", GRID)
    words = ("run", grid, "--repeat", "2")
    planned = command(tmp_path, *words, "--dry-run").stdout
    assert "8 points" in planned and "grid-delay-10-ms-concurrency-5-mptcp-100KB-seed2" in planned
    with subprocess.Popen(
        [TESTBED, *words, "--out", "run"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        wait_until(lambda: len(outcomes(tmp_path / "run")) >= 2, "two points", timeout_s=300)
        run.send_signal(signal.SIGINT)
        _, complaints = run.communicate(timeout=60)
    assert run.returncode == 130 and "of 8 points are kept" in complaints and "Traceback" not in complaints
    first = outcomes(tmp_path / "run")
    assert 2 <= len(first) < 8
    command(tmp_path, "run", "--resume", "--out", "run")
    # What had ended is what it was.
    assert {name: ended for name, ended in outcomes(tmp_path / "run").items() if name in first} == first
    rows = swept(tmp_path / "run")
    found = {(row["topology_client_director_delay_s"], row["workload_concurrency"], row["seed"]) for row in rows}
    assert found == {(delay, concurrency, seed) for delay in (0.001, 0.01) for concurrency in (1, 5) for seed in (1, 2)}
    assert all(row["valid"] and row["complete_requests"] == 10 for row in rows)
    # A path ten times as long has less goodput, whatever else.
    slow, fast = (
        [row["goodput_bps"] for row in rows if row["topology_client_director_delay_s"] == delay]
        for delay in (0.01, 0.001)
    )
    assert max(slow) < min(fast)  # type: ignore[type-var]
    assert (tmp_path / "run" / "figures" / "grid.png").stat().st_size > 10_000


def test_a_latin_hypercube_has_a_point_in_each_slice_of_each_axis(tmp_path: Path) -> None:
    drawn = experiment(tmp_path, "drawn", DRAWN)
    command(tmp_path, "run", drawn, "--out", "run")
    rows = swept(tmp_path / "run")
    assert len(rows) == 4 and all(row["valid"] for row in rows)
    delays = sorted(float(str(row["topology_client_director_delay_s"])) for row in rows)
    edges = [0.001 * 20 ** (number / 4) for number in range(5)]
    assert all(low <= delay <= high for low, delay, high in zip(edges, delays, edges[1:], strict=False))
    assert (tmp_path / "run" / "figures" / "drawn.png").stat().st_size > 10_000


def test_a_typo_in_the_key_of_an_axis_is_one_line_with_the_nearest_name(tmp_path: Path) -> None:
    wrong = experiment(tmp_path, "wrong", (GRID[0].replace("r.delay", "r.dealy"), GRID[1]))
    done = command(tmp_path, "run", wrong, "--out", "run", status=2)
    assert done.stderr.count("\n") == 1 and "dealy" in done.stderr and "delay" in done.stderr.replace("dealy", "")
    assert not (tmp_path / "run").exists()
