"""A lab's own folder in an output directory: it never takes what it did not make."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from testbed.base.errors import PrerequisiteError, UsageError
from testbed.labs import lab_directory

REQUEST = {"argv": ["true"], "cwd": "/", "env": {}, "clock_limit_s": 1.0, "stdin": None, "terminal": None}
OUTPUT = ("console.log", "dmesg.log", "status.json", "stderr", "stdout")


def run_a_job(folder: Path) -> None:
    lab_directory.prepare(folder, REQUEST)
    for name in OUTPUT:
        with lab_directory.begin(folder / name) as file:
            file.write(b"x")


def test_a_second_job_finds_the_folder_as_the_first_did_and_other_files_in_it_stay(tmp_path: Path) -> None:
    folder = tmp_path / "out" / "guest"
    run_a_job(folder)
    (folder / "notes").write_text("mine")
    run_a_job(folder)
    lab_directory.prepare(folder, REQUEST)
    assert sorted(path.name for path in folder.iterdir()) == ["job.json", "notes"]
    assert json.loads((folder / "job.json").read_text()) == REQUEST


@pytest.mark.parametrize("job", [None, "", "{}", '{"argv": ["x"]}', "[" * 200_000])
def test_a_folder_with_something_else_in_it_is_refused_and_stays_as_it_is(tmp_path: Path, job: str | None) -> None:
    folder = tmp_path / "guest"
    folder.mkdir()
    (folder / "stdout").write_text("mine")
    if job is not None:
        (folder / "job.json").write_text(job)
    with pytest.raises(UsageError, match="something else in it"):
        lab_directory.prepare(folder, REQUEST)
    assert (folder / "stdout").read_text() == "mine"


@pytest.mark.parametrize("kind", ["link", "dangling", "file", "fifo"])
def test_what_is_no_directory_is_refused(tmp_path: Path, kind: str) -> None:
    folder, target = tmp_path / "guest", tmp_path / "target"
    if kind == "file":
        folder.write_text("mine")
    elif kind == "fifo":
        os.mkfifo(folder)
    else:
        folder.symlink_to(target)
    if kind == "link":
        run_a_job(target)
    with pytest.raises(UsageError, match="needs this name"):
        lab_directory.prepare(folder, REQUEST)
    assert kind != "link" or (target / "stdout").exists()


def test_a_job_file_that_a_link_leads_to_is_no_proof(tmp_path: Path) -> None:
    run_a_job(tmp_path / "elsewhere")
    folder = tmp_path / "guest"
    folder.mkdir()
    (folder / "job.json").symlink_to(tmp_path / "elsewhere" / "job.json")
    (folder / "stdout").write_text("mine")
    with pytest.raises(UsageError):
        lab_directory.prepare(folder, REQUEST)
    assert (folder / "stdout").read_text() == "mine"


def test_links_that_a_guest_left_are_removed_and_not_followed(tmp_path: Path) -> None:
    folder, mine = tmp_path / "guest", tmp_path / "mine"
    mine.write_text("mine")
    run_a_job(folder)
    for name in OUTPUT:
        (folder / name).unlink()
        (folder / name).symlink_to(mine)
    run_a_job(folder)
    assert mine.read_text() == "mine"
    with pytest.raises(PrerequisiteError, match="stdout: cannot be written: File exists"):
        lab_directory.begin(folder / "stdout")


def test_a_directory_at_the_place_of_one_of_our_files_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "guest"
    run_a_job(folder)
    (folder / "stdout").unlink()
    (folder / "stdout").mkdir()
    with pytest.raises(UsageError, match="stdout: the lab needs this name"):
        lab_directory.prepare(folder, REQUEST)
    assert (folder / "stderr").exists()


def test_a_file_beside_the_folder_is_ours_only_with_it(tmp_path: Path) -> None:
    beside = tmp_path / "load"
    beside.write_text("mine")
    with pytest.raises(UsageError, match="load: it is there already"):
        lab_directory.prepare(tmp_path / "local", REQUEST, beside="load")
    assert beside.read_text() == "mine"
    beside.unlink()
    lab_directory.prepare(tmp_path / "local", REQUEST, beside="load")
    beside.write_text("ours")
    lab_directory.prepare(tmp_path / "local", REQUEST, beside="load")
    assert not beside.exists()


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PrerequisiteError, match="file: cannot be written: File exists"):
        lab_directory.prepare(tmp_path / "file" / "guest", REQUEST)
