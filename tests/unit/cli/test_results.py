"""`testbed results` lists runs with their sizes, and removes only what this toolkit has made."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.cli.main import main
from testbed.base.errors import EXIT_PREREQUISITE, EXIT_USAGE
from testbed.record.outcome import Outcome
from testbed.runs import listing, store


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_run(directory: Path, started_at: str = "2026-11-01T10:00:00+00:00", state: str = "complete") -> store.RunStore:
    """A run with one good point of two."""
    run = store.create(directory, ["p", "q"], {"started_at": started_at})
    with run.lock():
        (run.begin("p") / "ab.txt").write_text("x" * 100_000)
        run.finish("p", Outcome(status="ok"))
        run.update(state=state)
    return run


def said(capfd: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["results", *words])
    out, err = capfd.readouterr()
    assert ended.value.code == status, err
    return out + err


def test_runs_are_listed_the_newest_first_with_state_points_and_size(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_run(here / "results" / "old")
    make_run(here / "results" / "new", "2026-11-02T10:00:00+00:00", "running")
    head, new, old, _, total = said(capfd).splitlines()
    assert head.split() == ["run", "state", "points", "size", "started"]
    assert new.split()[:3] == ["results/new", "interrupted", "1/2"] and "2026-11-02 10:00:00" in new
    assert old.split()[:3] == ["results/old", "complete", "1/2"]
    assert total.startswith("2 runs, ")
    size = listing.size_bytes(here / "results" / "old")
    assert 100_000 < size < 200_000
    with store.open_run(here / "results" / "new").lock():
        assert "running" in said(capfd, "results/new")


def test_where_there_is_no_run_it_says_so(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert said(capfd) == "no runs\n"
    assert "not a run directory" in said(capfd, ".", status=EXIT_USAGE)


def test_a_run_is_removed_with_yes_alone_and_the_link_to_it_goes_too(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_run(here / "results" / "old")
    make_run(here / "results" / "new").link_latest()
    line = said(capfd, "results/new", "--remove", status=EXIT_USAGE)
    assert line.startswith("testbed: error: this would remove results/new: ") and (here / "results" / "new").is_dir()
    assert said(capfd, "results/new", "--remove", "--yes") == "removed results/new\n"
    assert [path.name for path in (here / "results").iterdir()] == ["old"]
    assert "which runs?" in said(capfd, "--remove", "--yes", status=EXIT_USAGE)


def test_what_could_not_be_removed_is_not_asked_about(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make_run(here / "results" / "new")
    assert ".: not a run directory" in said(capfd, "results/new", ".", "--remove", status=EXIT_USAGE)
    (here / "link").symlink_to(here / "results" / "new")
    assert "link: a link, which is not followed" in said(capfd, "link", "--remove", status=EXIT_USAGE)


def test_what_is_not_ours_stays(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = make_run(here / "results" / "mixed")
    (run.directory / "notes.txt").write_text("mine")
    text = said(capfd, "results/mixed", "--remove", "--yes", status=EXIT_PREREQUISITE)
    assert "left alone: results/mixed: not ours: results/mixed/notes.txt" in text
    assert [path.name for path in run.directory.iterdir()] == ["notes.txt"]
    copied = make_run(here / "results" / "copied")
    next(copied.directory.glob(".*made*"), copied.directory / ".none").unlink(missing_ok=True)
    for path in copied.directory.glob(".[!l]*"):
        path.unlink()
    text = said(capfd, "results/copied", "--remove", "--yes", status=EXIT_USAGE)
    assert "not removed: nothing in it says that this toolkit made it here" in text and copied.points.is_dir()
    assert "not ours: nothing in it says" in said(capfd)


def test_a_run_at_which_somebody_works_and_a_link_are_refused(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = make_run(here / "results" / "busy")
    with run.lock():
        assert "a testbed run works in it" in said(capfd, "results/busy", "--remove", "--yes", status=EXIT_USAGE)
    (here / "link").symlink_to(run.directory)
    assert "a link, which is not followed" in said(capfd, "link", "--remove", "--yes", status=EXIT_USAGE)
    assert run.is_ok("p")
