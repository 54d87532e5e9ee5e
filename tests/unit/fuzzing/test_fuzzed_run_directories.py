"""Made-up files in run directories: each reader of one file, and the analysis of a whole run with one bad file in it.

The good files are those of the points that the analysis' own tests make. One is written anew for each input; now and
then a link, a FIFO, a directory or nothing takes its place.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import run_maker
from fuzz_folder import KEPT
from harness import fuzz
from mutators import mutate_bytes, mutate_json, mutate_text

from analysis.claims import judge
from analysis.figures.drawing import save
from analysis.figures.gallery import of_experiments
from analysis.figures.registry import load_registry
from analysis.flows.counter_series import sent_resets
from analysis.report import run_facts
from analysis.summary import model as results
from analysis.summary.of_point import analyse_point_fully
from analysis.summary.of_run import point_directories
from analysis.summary.text import render_table
from analysis.tables import TABLES, files
from testbed.record import addresses, captures, counters, digests, events, host_load, loss_injection, outcome, point
from testbed.runs import store
from testbed.runs.verification import examine

PLACES = ("link to a file", "link to nothing", "link to itself", "device", "FIFO", "directory", "nothing")
Given = bytes | str
"""The bytes of a file, or what is there instead of it (one of `PLACES`)."""

RUN = {
    "version": 1, "state": "complete", "points": ["p1"], "command": ["testbed", "run", "fig07"],
    "labs": [{"lab": "uml"}],
    "plan": [{"id": "p1", "profile": "quick", "seed": 1}], "toolkit": "1.0", "started_at": "2026-11-01T00:00:00+00:00",
    "finished_at": "2026-11-01T00:01:00+00:00", "kernel": {"id": "e609dd793831", "release": "6.12"},
    "tools": {"ab": "2.3"},
    "host": {"cores": 2}, "resumed": [], "lab": ["uml"],
}  # fmt: skip
DIGESTS = {"version": 1, "kernel": "e609dd793831", "seed": 1, "files": {"ab.txt": "00" * 32, "events.jsonl": "11" * 32}}
COUNTERS = {
    "before": {"client": {"TcpOutRsts": 0}, "s1": {"TcpOutRsts": 1}},
    "after": {"client": {"TcpOutRsts": 3}, "s1": {"TcpOutRsts": 1, "MPTcpExtMPJoinSynRx": 2}},
    "settled": {"client": {"TcpOutRsts": 3}}, "settled_s": [0.5, 0.6], "queue_drops": {"client": {"c-eth0": 0}},
}  # fmt: skip
SAMPLE = {"t": 1.0, "interfaces": {"client": {"c-eth0.rx_bytes": 10}}, "counters": {"s1": {"TcpOutRsts": 4}}}
LOSSES = {
    "packet": "mp-prio", "occurrence": 1, "interfaces": ["d-eth0"], "connections": 3, "packets": 100, "dropped": 3,
}  # fmt: skip
LOAD = {"epoch_s": 1_700_000_001.0, "seconds": 1.0, "cores": 2, "busy_s": 1.0, "idle_s": 1.0, "stolen_s": 0.0}


def put(path: Path, given: Given) -> None:
    """Write the file, or what is to be in its place."""
    if path.is_symlink() or not path.is_file():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    if isinstance(given, bytes):
        path.write_bytes(given)
        return
    path.unlink(missing_ok=True)
    match given:
        case "link to a file":
            path.symlink_to(kept_beside(path) / "mine")
        case "link to nothing":
            path.symlink_to(kept_beside(path) / "new")
        case "link to itself":
            path.symlink_to(path.name)
        case "device":
            path.symlink_to("/dev/zero")
        case "FIFO":
            os.mkfifo(path)
        case "directory":
            path.mkdir()


def kept_beside(path: Path) -> Path:
    return next(folder / KEPT for folder in path.parents if (folder / KEPT).is_dir())


def in_place(chance: Random, make: Callable[[Random], bytes]) -> Given:
    return chance.choice(PLACES) if chance.random() < 0.01 else make(chance)


def of_json(value: Any) -> Callable[[Random], bytes]:
    return lambda chance: mutate_json(chance, value)


def of_lines(*values: Any) -> Callable[[Random], bytes]:
    def make(chance: Random) -> bytes:
        lines = [json.dumps(value).encode() for value in values]
        lines[chance.randrange(len(lines))] = mutate_json(chance, chance.choice(values))
        return b"\n".join(lines)

    return make


def run_directory(folder: Path) -> None:
    """A run with one finished point."""
    (folder / "run.json").write_text(json.dumps(RUN))
    directory = run_maker.load_balancer_point(folder / "points" / "p1", protocol="mptcp")
    for name, value in (("digests", DIGESTS), ("counters", COUNTERS)):
        (directory / f"{name}.json").write_text(json.dumps(value))
    (directory / "samples.jsonl").write_text(json.dumps(SAMPLE) + "\n")
    results.write_json(folder, [analyse_point_fully(directory).summary])
    files.write_tables(folder, analyse_point_fully(directory).tables)


def read_back(name: str, tmp_path: Path) -> Any:
    run_directory(tmp_path)
    path = next(path for path in (tmp_path / name, tmp_path / "points" / "p1" / name) if path.exists())
    text = path.read_text()
    return [json.loads(line) for line in text.splitlines()] if name.endswith("l") else json.loads(text)


def everything_of_the_run(folder: Path) -> None:
    found = store.open_run(folder)
    found.is_unfinished()
    store.runs(folder.parent)
    for each in found.manifest.points:
        examine(found, each, "virtual", lambda _kernel: True)


def facts(folder: Path) -> None:
    found = run_facts.read_run(folder)
    str((found.name, found.command, found.is_complete, found.kernels, found.seeds, found.profiles))
    str([found.kernel_of(point) for point in found.points])


def summaries(folder: Path) -> None:
    """A summary that is taken is one that others can work with."""
    found = results.read_summary(folder)
    render_table(found)
    judge(found)
    results.write_json(folder.parent, found)


JSON_READERS: dict[str, tuple[str, Callable[[Path], object], int]] = {
    "point.json": ("points/p1", point.read_point, 100_000),
    "outcome.json": ("points/p1", outcome.read_outcome, 100_000),
    "addresses.json": ("points/p1", addresses.read_addresses, 100_000),
    "captures.json": ("points/p1", captures.read_captures, 100_000),
    "events.jsonl": ("points/p1", events.read_events, 100_000),
    "counters.json": ("points/p1", counters.read_counters, 100_000),
    "samples.jsonl": ("points/p1", lambda folder: sent_resets(counters.read_samples(folder)), 100_000),
    "digests.json": ("points/p1", digests.read_digests, 100_000),
    "summary.json": (".", summaries, 30_000),
    "run.json": (".", everything_of_the_run, 30_000),
}


@pytest.mark.parametrize("name", JSON_READERS)
def test_a_file_of_a_run(name: str, tmp_path: Path) -> None:
    below, read, inputs = JSON_READERS[name]
    good = read_back(name, tmp_path)
    make = of_lines(*good) if name.endswith("l") else of_json(good)

    def read_it(folder: Path, given: Given) -> object:
        put(folder / below / name, given)
        return read(folder / below)

    fuzz(name, lambda chance: in_place(chance, make), read_it, prepare=run_directory, inputs=inputs)


@pytest.mark.parametrize("name", ["run.json", "summary.json", "points/p1/digests.json"])
def test_the_facts_of_a_report(name: str, tmp_path: Path) -> None:
    good = read_back(Path(name).name, tmp_path)

    def read_it(folder: Path, given: Given) -> None:
        put(folder / name, given)
        facts(folder)

    fuzz(f"facts {name}", lambda chance: in_place(chance, of_json(good)), read_it, prepare=run_directory, inputs=20_000)


def test_the_list_of_points(tmp_path: Path) -> None:
    def read_it(folder: Path, given: Given) -> object:
        put(folder / "run.json", given)
        return point_directories(folder)

    fuzz("points", lambda chance: in_place(chance, of_json(RUN)), read_it, prepare=run_directory, inputs=30_000)


@pytest.mark.parametrize("name", ["host_load.jsonl", "server_captures.json", "loss_injection.json"])
def test_what_only_some_points_have(name: str) -> None:
    good = {
        "host_load.jsonl": of_lines(LOAD, LOAD),
        "server_captures.json": of_json([{"node": "s1", "file": "s1.pcap"}]),
        "loss_injection.json": of_json(LOSSES),
    }
    readers = {
        "host_load.jsonl": host_load.read_host_load,
        "server_captures.json": captures.read_server_captures,
        "loss_injection.json": loss_injection.read_injected_losses,
    }

    def read_it(folder: Path, given: Given) -> object:
        put(folder / name, given)
        return readers[name](folder)  # type: ignore[operator]

    fuzz(name, lambda chance: in_place(chance, good[name]), read_it)


@pytest.mark.parametrize("name", ["connections", "resets", "seconds"])
def test_tables(name: str, tmp_path: Path) -> None:
    run_directory(tmp_path)
    good = (tmp_path / "tables" / f"{name}.parquet").read_bytes()

    def read_it(folder: Path, given: Given) -> None:
        put(folder / "tables" / f"{name}.parquet", given)
        table = files.read_table(folder, name)
        table.validate(full=True)
        assert name in TABLES

    fuzz(
        f"table {name}",
        lambda chance: in_place(chance, lambda chance: mutate_bytes(chance, good)),
        read_it,
        prepare=run_directory,
        inputs=5000,
        most_s=5,
        most_bytes=1 << 31,
    )


ANALYSED = (
    "point.json", "outcome.json", "addresses.json", "captures.json", "events.jsonl", "counters.json", "samples.jsonl",
    "ab.txt", "c-eth0.pcap", "c-eth1.pcap",
)  # fmt: skip


def test_the_analysis_of_a_point_with_a_bad_file(tmp_path: Path) -> None:
    run_directory(tmp_path)
    good = {name: (tmp_path / "points" / "p1" / name).read_bytes() for name in ANALYSED}

    def make(chance: Random) -> tuple[str, Given]:
        name = chance.choice(ANALYSED)
        return name, in_place(chance, lambda chance: damaged(chance, name, good[name]))

    def read_it(folder: Path, given: tuple[str, Given]) -> None:
        name, content = given
        directory = folder / "points" / "p1"
        put(directory / name, content)
        try:
            found = analyse_point_fully(directory)
            faults = [each for each in found.summary.invalid_reasons if "the analysis failed" in each]
            assert not faults, faults
            render_table([found.summary])
            results.write_json(folder, [found.summary])
            results.read_summary(folder)
            files.write_tables(folder, found.tables)
        finally:
            put(directory / name, good[name])

    fuzz("analysis", make, read_it, prepare=run_directory, inputs=1500, most_s=10, most_bytes=1 << 31)


def test_the_figures_of_a_bad_summary(tmp_path: Path) -> None:
    good = read_back("summary.json", tmp_path)
    registry = load_registry()

    def read_it(folder: Path, given: bytes) -> None:
        put(folder / "summary.json", given)
        save(of_experiments(registry, results.read_summary(folder)), folder / "figures")

    fuzz("figures", of_json(good), read_it, prepare=run_directory, inputs=60, most_s=60, most_bytes=1 << 31)


def damaged(chance: Random, name: str, good: bytes) -> bytes:
    if name.endswith(".pcap"):
        return mutate_bytes(chance, good)
    if name.endswith(".txt"):
        return mutate_text(chance, good.decode()).encode(errors="surrogatepass")
    if name.endswith("l"):
        return of_lines(*(json.loads(line) for line in good.splitlines()))(chance)
    return mutate_json(chance, json.loads(good))
