"""The library for large reads: a program sees with it what it sees without, with a fraction of the system calls."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from page_server import WHOLE, serving
from small_reader import SCENARIOS

from testbed.base.errors import PrerequisiteError, ReadbackError
from testbed.kernel.cache import Cache
from testbed.tools import large_reads

_LIMIT_S = 120


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return large_reads.ensure(Cache(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def server() -> Iterator[str]:
    with serving() as url:
        yield url


def totals(url: str, *options: str, preload: Path | None = None, report: Path | None = None) -> dict[str, int]:
    """The totals that `ab` prints, by their names."""
    environment = {**os.environ, "LD_PRELOAD": str(preload or ""), "LARGE_READS_REPORT": str(report or "")}
    said = subprocess.run(
        ["ab", "-q", "-s", "20", *options, url], env=environment, capture_output=True, text=True, timeout=_LIMIT_S
    )
    pattern = r"(Complete requests|Failed requests|Total transferred|HTML transferred|Total body sent):\s+(\d+)"
    return {"status": said.returncode, **{name: int(number) for name, number in re.findall(pattern, said.stdout)}}


@pytest.mark.parametrize("preloaded", [False, True], ids=["without", "with"])
@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_a_program_sees_the_same_with_the_library_and_without(
    scenario: str, preloaded: bool, library: Path, tmp_path: Path
) -> None:
    environment = {**os.environ, "LARGE_READS_REPORT": str(tmp_path / "report")}
    if preloaded:
        environment["LD_PRELOAD"] = str(library)
    program = Path(__file__).with_name("small_reader.py")
    done = subprocess.run(
        [sys.executable, program, scenario], env=environment, capture_output=True, text=True, timeout=_LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report").exists() == preloaded


@pytest.mark.parametrize("size", [0, 1, 8192, 8193, 65_536, 1_000_000])
def test_ab_loads_the_same_pages(size: int, library: Path, server: str, tmp_path: Path) -> None:
    url, options = f"{server}/{size}", ("-n", "100", "-c", "10")
    with_it = totals(url, *options, preload=library, report=tmp_path / large_reads.FILE)
    assert with_it == totals(url, *options)
    assert with_it["HTML transferred"] == 100 * size
    counts = large_reads.read_back(tmp_path)
    assert counts.system_calls <= counts.reads
    if size == 1_000_000:
        assert counts.reads >= 100 * size / 8192
        assert counts.system_calls < counts.reads / 3


@pytest.mark.parametrize("end", ["cut", "reset"])
def test_ab_counts_the_same_failures(end: str, library: Path) -> None:
    def seen(preload: Path | None) -> dict[str, int]:
        with serving() as server:
            return totals(f"{server}/100000/{end}", "-r", "-n", "60", "-c", str(WHOLE), preload=preload)

    with_it, without = seen(library), seen(None)
    assert with_it["Failed requests"] == without["Failed requests"] > 0
    assert with_it == without


def test_ab_uploads_the_same(library: Path, server: str, tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(b"x" * 300_000)
    options = ("-n", "40", "-c", "4", "-T", "application/octet-stream", "-u", str(tmp_path / "page"))
    with_it, without = (totals(f"{server}/20000", *options, preload=each) for each in (library, None))
    assert with_it == without
    assert with_it["Total body sent"] > 40 * 300_000


def test_a_server_that_nobody_listens_at_is_refused_in_the_same_way(library: Path) -> None:
    url = "http://127.0.0.1:9/1"
    assert totals(url, "-n", "3", preload=library) == totals(url, "-n", "3")


def test_it_is_built_once_and_named_by_its_source(library: Path) -> None:
    cache = Cache(library.parents[2])
    assert library.parent.name == large_reads.identity()
    before = library.stat().st_mtime_ns
    assert large_reads.ensure(cache) == large_reads.find(cache) == library
    assert library.stat().st_mtime_ns == before
    other = library.with_suffix(".c")
    other.write_text("int other;\n")
    assert replace(large_reads.LIBRARY, source=other).find(cache) is None


def test_without_a_compiler_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrerequisiteError, match="gcc is not installed") as refused:
        large_reads.ensure(Cache(tmp_path / "cache"))
    assert "testbed setup" in refused.value.hint
    assert large_reads.find(Cache(tmp_path / "cache")) is None


def test_a_job_finds_it_where_its_lab_says(library: Path) -> None:
    said = {large_reads.FOLDER_VARIABLE: str(library.parents[1])}
    assert large_reads.installed(said) == library
    for wrong in ({}, {large_reads.FOLDER_VARIABLE: "/nowhere"}):
        with pytest.raises(PrerequisiteError):
            large_reads.installed(wrong)


def test_it_goes_beside_what_is_preloaded_already(
    library: Path, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(large_reads.FOLDER_VARIABLE, str(library.parents[1]))
    for number, wrap in enumerate(([], ["mptcpize", "run"])):
        output = tmp_path / str(number)
        output.mkdir()
        load = [*wrap, "ab", "-q", "-n", "5", f"{server}/100000"]
        argv = large_reads.preloaded(load, tmp_path / "link.so", output)
        assert argv[: len(wrap)] == wrap
        subprocess.run(argv, check=True, capture_output=True, timeout=_LIMIT_S)
        counts = large_reads.read_back(output)
        assert counts.reads > 3 * counts.system_calls / 2 > 0
        shown = [*argv[: argv.index("ab")], "sh", "-c", "echo $LD_PRELOAD"]
        said = subprocess.run(shown, check=True, capture_output=True, text=True, timeout=_LIMIT_S).stdout
        assert ("mptcp" in said) == bool(wrap)
        assert str(tmp_path / "link.so") in said


@pytest.mark.parametrize("text", [None, "", "{}", "[]", json.dumps({"reads": "x", "system_calls": 1})])
def test_a_library_that_was_not_loaded_is_no_quiet_matter(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / large_reads.FILE).write_text(text)
    with pytest.raises(ReadbackError, match="large_reads"):
        large_reads.read_back(tmp_path)
