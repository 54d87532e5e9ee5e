"""Design invariant 8: the same point, seed and kernel give the same bytes, whatever else the machine does."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from guest_points import run_agent

from analysis.compare.divergence import compare_points
from experiments import plan
from testbed.labs import uml_boot
from testbed.labs.uml import UmlLab
from testbed.labs.verdict import userspace_mode
from testbed.runs import digests

PAGES = ("fig07", "workload.sizes=100 KB", "workload.total=2 MB", "workload.min_requests=20")
DOWNLOADS = (
    "fig14", "workload.concurrency=6", "workload.size=5 MB", "workload.duration=2 s", "timetable.cycle=1.5 s",
    "timetable.up=1 s", "topology.server_rate=100 Mbit/s", "topology.client_rate=1 Gbit/s",
)  # fmt: skip

UPLOADS = ("upload", "workload.sizes=100 KB", "workload.total=2 MB", "workload.min_requests=20")


def run_point(lab, out: Path, name: str, *overrides: str, seed: int = 1, **job: object) -> dict[str, str]:
    """SHA-256 of everything that the point has left, by name."""
    points = plan.plan(plan.load(plan.find(name)), seeds=[seed], overrides=overrides)
    (point,) = [p for p in points if p.protocol == "mptcp"]
    result = run_agent(lab, out, point, seed=seed, **job)
    assert result.status == 0, (out / "guest" / "stderr").read_text()
    return digests.of_directory(out)


@contextlib.contextmanager
def elsewhere_and_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another core, every core busy, a runtime directory of another length."""
    cores = sorted(os.sched_getaffinity(0))
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in cores]
    other = tmp_path / "a-temporary-directory-with-a-rather-long-name"
    other.mkdir()
    try:
        os.sched_setaffinity(0, {cores[-1]})
        with monkeypatch.context() as patch:
            patch.setattr("tempfile.tempdir", str(other))
            yield
    finally:
        os.sched_setaffinity(0, cores)
        for loop in loops:
            loop.kill()
            loop.wait()


@pytest.fixture(scope="module")
def lab(every_lab: UmlLab) -> UmlLab:
    return every_lab


@pytest.fixture(scope="module")
def pages(lab, tmp_path_factory) -> Path:
    """The raw directory of a load-balancer point."""
    out = tmp_path_factory.mktemp("pages") / "first"
    run_point(lab, out, *PAGES)
    return out


def test_pages_give_the_same_bytes_elsewhere_and_under_load(lab, pages, tmp_path, monkeypatch) -> None:
    first = digests.of_directory(pages)
    with elsewhere_and_busy(tmp_path, monkeypatch):
        # Without its compiled modules the agent takes longer to start, on the guest's clock too.
        second = run_point(lab, tmp_path / "second", *PAGES, env={"PYTHONPYCACHEPREFIX": "/nowhere"})
    assert first.keys() >= {"ab.txt", "samples.jsonl", "counters.json", "events.jsonl", "c-eth0.pcap", "c-eth1.pcap"}
    assert second == first


def test_seccomp_and_ptrace_give_the_same_bytes(lab, pages, tmp_path, monkeypatch) -> None:
    if userspace_mode(pages) != "seccomp":
        pytest.skip("this kernel has ptrace alone, or this machine lets no seccomp filter be installed")
    monkeypatch.setattr(uml_boot, "_seccomp", lambda _image: ("seccomp=off",))
    second = run_point(lab, tmp_path / "second", *PAGES)
    assert userspace_mode(tmp_path / "second") == "ptrace"
    first = digests.of_directory(pages)
    # When the counters are read for the last time, behind everything that is measured, is 256 ns apart.
    one, other = (json.loads((out / "counters.json").read_text()) for out in (pages, tmp_path / "second"))
    assert one.pop("settled_s") == pytest.approx(other.pop("settled_s"), abs=1e-6)
    assert one == other
    assert second | {"counters.json": ""} == first | {"counters.json": ""}


def test_downloads_give_the_same_bytes_elsewhere_and_under_load(lab, tmp_path, monkeypatch) -> None:
    first = run_point(lab, tmp_path / "first", *DOWNLOADS)
    with elsewhere_and_busy(tmp_path, monkeypatch):
        second = run_point(lab, tmp_path / "second", *DOWNLOADS)
    assert second == first


def test_a_guest_that_is_held_again_and_again_gives_the_same_bytes(lab, pages, tmp_path) -> None:
    ended, holds = threading.Event(), []

    def hold() -> None:
        while not ended.wait(0.05):
            with lab.holding():
                holds.append(ended.wait(0.1))

    with ThreadPoolExecutor(1) as other:
        other.submit(hold)
        try:
            second = run_point(lab, tmp_path / "second", *PAGES)
        finally:
            ended.set()
    assert len(holds) >= 10
    assert second == digests.of_directory(pages)


def test_another_seed_parts_from_the_first_packet(lab, pages, tmp_path) -> None:
    run_point(lab, tmp_path / "second", *PAGES, seed=2)
    found = compare_points(pages, tmp_path / "second")
    assert (found.packets[0].interface, found.packets[0].number) == ("c-eth0", 1)
    assert {"source port", "sequence number"} <= set(found.packets[0].fields)


def test_the_workload_starts_at_a_whole_second(pages) -> None:
    started = json.loads((pages / "events.jsonl").read_text().splitlines()[0])
    assert started["epoch_s"] % 1 == pytest.approx(0, abs=1e-5)


def test_what_is_uploaded_does_not_depend_on_where_the_toolkit_lies(
    lab: UmlLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = run_point(lab, tmp_path / "here", *UPLOADS)
    deeper = tmp_path / "a" / "b"
    deeper.mkdir(parents=True)
    paths_here = uml_boot.toolkit_paths
    monkeypatch.setattr(uml_boot, "toolkit_paths", lambda job: [*paths_here(job), str(deeper)])
    assert run_point(lab, tmp_path / "there", *UPLOADS) == here
