"""`testbed clean` proves that something is ours before it removes it: foreign runs, links, and a user's own files."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from experiments.cli.main import main
from testbed.base import ownership
from testbed.base.errors import ConfigError, UsageError
from testbed.record.outcome import Outcome
from testbed.runs import cleaning, store

LIMIT_S = 5.0


class Told(list[str]):
    def __call__(self, what: str) -> None:
        self.append(what)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def make_run(directory: Path) -> store.RunStore:
    """A run with one finished point, as it is made."""
    run = store.create(directory, ["p"], {})
    with run.lock():
        partial = run.begin("p")
        (partial / "guest").mkdir()
        for name in ("ab.txt", "guest/console.log"):
            (partial / name).write_text("x")
        run.finish("p", Outcome(status="ok"))
    (directory / "figures").mkdir()
    for name in ("summary.txt", "figures/fig07.svg"):
        with ownership.replacing(directory / name) as file:
            file.write(b"x")
    return run


def tree(directory: Path) -> dict[str, str]:
    """Every file and link below a directory with what is in it."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(directory))] = f"-> {path.readlink()}"
        elif path.is_file():
            found[str(path.relative_to(directory))] = path.read_text(errors="replace")
    return found


def test_a_run_that_we_made_goes_whole(results: Path) -> None:
    run = make_run(results / "one")
    run.link_latest()
    assert cleaning.remove_results(results) == [run.directory]
    assert not os.path.lexists(results)


@pytest.mark.parametrize("name", ["notes.txt", "points/p/mine.txt", "points/mine", "figures/mine.png", "tables/x.csv"])
def test_what_a_user_has_put_beside_our_files_stays_and_is_named(results: Path, name: str) -> None:
    run = make_run(results / "one")
    mine = run.directory / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    told = Told()
    assert cleaning.remove_results(results, told) == []
    assert tree(results) == {f"one/{name}": "mine"}
    assert len(told) == 1
    assert str(mine) in told[0]


@pytest.mark.parametrize(
    "manifest",
    [{"version": 1}, {"version": 1, "points": []}, {"version": 1, "points": ["p"], "state": "complete", "plan": []}],
)
def test_a_manifest_alone_does_not_make_a_directory_ours(results: Path, manifest: dict[str, Any]) -> None:
    mine = results / "mine"
    (mine / "points" / "p").mkdir(parents=True)
    (mine / "points" / "p" / "data").write_text("mine")
    (mine / "run.json").write_text(json.dumps(manifest))
    before, told = tree(results), Told()
    cleaning.remove_partials(results, told)
    cleaning.remove_results(results, told)
    assert tree(results) == before
    assert len(told) == 1
    assert str(mine) in told[0]


def test_a_list_that_a_link_leads_to_proves_nothing(results: Path, tmp_path: Path) -> None:
    run = make_run(results / "one")
    (run.directory / ownership.LIST).rename(tmp_path / "list")
    (run.directory / ownership.LIST).symlink_to(tmp_path / "list")
    before = tree(results)
    assert cleaning.remove_results(results) == []
    assert tree(results) == before


@pytest.mark.parametrize("linked", ["points", "figures", "tables", "points/p", ".lock", "run.json", "."])
def test_clean_follows_no_link(results: Path, tmp_path: Path, linked: str) -> None:
    run = make_run(results / "one")
    outside = tmp_path / "outside"
    place = run.directory / linked
    if linked == "tables":
        place.mkdir()
    place.rename(outside)
    if outside.is_dir():
        (outside / ".partial-x").mkdir()
        (outside / ".partial-x" / "mine").write_text("mine")
        (outside / f".a.99999999-{'0' * 16}.testbed-draft").write_text("mine")
    place.symlink_to(outside)
    before = tree(outside)
    cleaning.remove_partials(results)
    cleaning.remove_results(results)
    assert tree(outside) == before


def test_results_that_are_a_link_are_left_alone(results: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "elsewhere" / "one")
    results.symlink_to(tmp_path / "elsewhere")
    before, told = tree(tmp_path), Told()
    assert cleaning.remove_partials(results, told) == []
    assert cleaning.remove_results(results, told) == []
    assert tree(tmp_path) == before
    assert told == [f"{results}: a link, which is not followed"] * 2


def test_a_link_latest_of_the_users_own_stays(results: Path) -> None:
    make_run(results / "one")
    (results / "latest").symlink_to("/gone/elsewhere")
    cleaning.remove_results(results)
    assert tree(results) == {"latest": "-> /gone/elsewhere"}


def test_a_file_named_latest_is_no_link_of_ours(results: Path) -> None:
    run = make_run(results / "one")
    (results / "latest").write_text("mine")
    with pytest.raises(Exception, match="latest: cannot be written"):
        run.link_latest()
    assert (results / "latest").read_text() == "mine"


def bad_manifest(kind: str, path: Path) -> None:
    texts: dict[str, bytes] = {
        "deep": b"[" * 200_000,
        "number": b'{"version": 1, "points": [5]}',
        "object": b'{"version": 1, "points": {"a": 1}}',
        "no points": b'{"version": 1}',
        "up": b'{"version": 1, "points": ["../../x"]}',
        "line": b'{"version": 1, "points": ["a\\nb"]}',
        "plan": b'{"version": 1, "points": [], "plan": 7}',
        "lab": b'{"version": 1, "points": [], "lab": {"a": 1}}',
        "started": b'{"version": 1, "points": [], "started_at": 5}',
        "resumed": b'{"version": 1, "points": [], "resumed": "x"}',
        "binary": bytes(range(256)) * 10,
        "digits": b'{"version": ' + b"9" * 5000 + b"}",
        "true": b'{"version": true, "points": []}',
        "nan": b'{"version": 1, "points": [], "x": NaN}',
        "empty": b"",
    }
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "large":
        with path.open("wb") as file:
            file.truncate(1 << 30)
    else:
        path.write_bytes(texts[kind])


KINDS = [
    "fifo", "directory", "zero", "loop", "large", "deep", "number", "object", "no points", "up", "line", "plan", "lab",
    "started", "resumed", "binary", "digits", "true", "nan", "empty",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_one_bad_manifest_is_named_in_a_line_and_the_other_runs_are_cleaned(results: Path, kind: str) -> None:
    good = make_run(results / "good")
    (results / "bad").mkdir()
    bad_manifest(kind, results / "bad" / "run.json")
    before = stat.S_IFMT((results / "bad" / "run.json").lstat().st_mode)
    partial = good.points / ".partial-q"
    partial.mkdir()
    started, told = time.monotonic(), Told()
    assert cleaning.remove_partials(results, told) == [partial]
    assert time.monotonic() - started < LIMIT_S
    assert len(told) == 1
    assert str(results / "bad") in told[0]
    assert "\n" not in told[0]
    assert len(told[0]) < 500
    assert cleaning.remove_results(results) == [good.directory]
    assert stat.S_IFMT((results / "bad" / "run.json").lstat().st_mode) == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_manifest_breaks_no_command(
    results: Path, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(results.parent)
    (results / "bad" / "points").mkdir(parents=True)
    bad_manifest(kind, results / "bad" / "run.json")
    commands = (
        ["run", "--resume"], ["run", "--resume", "--out", "results/bad"], ["analyze", "results/bad"],
        ["report", "results/bad"], ["figures", "results/bad"], ["verify", "results/bad"],
        ["diff", "results/bad", "results/bad"],
    )  # fmt: skip
    for command in commands:
        with pytest.raises(SystemExit) as ended:
            main(command)
        said = capsys.readouterr()
        assert ended.value.code == 2, command
        lines = said.err.splitlines()
        assert len(lines) == (2 if command == ["run", "--resume"] else 1), (command, said.err)
        assert all(line.startswith("testbed: ") for line in lines)
        assert "Traceback" not in said.err
    assert sorted(path.name for path in (results / "bad").iterdir()) == ["points", "run.json"]


@pytest.mark.parametrize("folder", ["points", "figures", "tables"])
def test_a_run_with_a_linked_folder_is_refused(results: Path, tmp_path: Path, folder: str) -> None:
    run = make_run(results / "one")
    outside = tmp_path / "outside"
    outside.mkdir()
    if (run.directory / folder).exists():
        (run.directory / folder).rename(tmp_path / "away")
    (run.directory / folder).symlink_to(outside)
    with pytest.raises((UsageError, ConfigError), match=f"{folder}: a link, which is not followed"):
        store.open_run(run.directory)


@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_a_lock_that_is_no_file_of_ours_is_not_used(results: Path, tmp_path: Path, kind: str) -> None:
    run = make_run(results / "one")
    lock = run.directory / ".lock"
    lock.unlink()
    if kind == "fifo":
        os.mkfifo(lock)
    else:
        lock.symlink_to(tmp_path / "not-there")
    with pytest.raises(Exception, match="cannot be written"), run.lock():
        pass
    with run.idle() as nobody_works:
        assert not nobody_works
    assert not (tmp_path / "not-there").exists()


def test_the_two_runs_of_a_comparison_are_cleaned_too(results: Path) -> None:
    run = make_run(results / "agree" / "uml")
    partial = run.points / ".partial-q"
    partial.mkdir()
    assert cleaning.remove_partials(results) == [partial]
