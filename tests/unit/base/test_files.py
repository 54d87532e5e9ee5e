"""One way to write, to remove and to read: whole or not at all, never through a link, never without a bound."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.base import files


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_file_is_written_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a.txt", "one\n")
    files.write_text(tmp_path / "a.txt", "two\n")
    assert (tmp_path / "a.txt").read_text() == "two\n"
    assert names(tmp_path) == ["a.txt"]


def test_a_file_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_bytes(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a", "before")
    with pytest.raises(RuntimeError), files.replacing(tmp_path / "a") as file:
        file.write(b"half")
        raise RuntimeError
    assert (tmp_path / "a").read_text() == "before"
    assert names(tmp_path) == ["a"]


def test_a_link_at_the_target_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("keep")
    (tmp_path / "a").symlink_to(mine)
    files.write_text(tmp_path / "a", "new")
    assert mine.read_text() == "keep"
    assert not (tmp_path / "a").is_symlink()
    assert (tmp_path / "a").read_text() == "new"


def test_no_two_drafts_have_the_same_name(tmp_path: Path) -> None:
    assert len({files.draft_path(tmp_path / "a").name for _ in range(100)}) == 100


def test_the_longest_name_that_a_file_system_takes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    files.write_text(path, "long")
    assert path.read_text() == "long"


def test_a_draft_of_a_dead_process_is_known_and_a_live_one_or_a_stranger_is_not(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead = tmp_path / f".run.json.{ended.pid}-0123456789abcdef.testbed-draft"
    live = tmp_path / f".run.json.{os.getpid()}-0123456789abcdef.testbed-draft"
    strange = tmp_path / f".run.json.{ended.pid}"
    for path in (dead, live, strange):
        path.write_text("")
    assert [files.is_abandoned_draft(path) for path in (dead, live, strange)] == [True, False, False]
    assert not files.is_abandoned_draft(dead, "other.json")
    assert files.is_abandoned_draft(dead, "run.json")


def test_a_directory_with_the_name_of_a_draft_is_nobodys_draft(tmp_path: Path) -> None:
    path = tmp_path / f".a.{2**22 + 1}-0123456789abcdef.testbed-draft"
    path.mkdir()
    assert not files.is_abandoned_draft(path)


def test_a_link_in_a_directorys_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "figures").symlink_to("elsewhere")
    with pytest.raises(NotADirectoryError):
        files.make_directory(tmp_path / "figures")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(NotADirectoryError):
        files.make_directory(tmp_path / "dangling")
    assert files.make_directory(tmp_path / "tables").is_dir()
    assert files.make_directory(tmp_path / "tables").is_dir()


def test_removing_takes_a_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "keep").write_text("")
    ours = tmp_path / "ours"
    ours.mkdir()
    (ours / "inner").symlink_to(mine)
    link = tmp_path / "link"
    link.symlink_to(mine)
    files.remove(link)
    files.remove(ours)
    files.remove(tmp_path / "never-there")
    assert (mine / "keep").exists()
    assert names(tmp_path) == ["mine"]


def test_a_link_of_ours_moves_and_a_file_in_its_place_stays(tmp_path: Path) -> None:
    files.link(tmp_path / "latest", "a")
    files.link(tmp_path / "latest", "b")
    assert (tmp_path / "latest").readlink() == Path("b")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError):
        files.link(tmp_path / "file", "a")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.timeout(10)
def test_a_fifo_a_device_and_a_directory_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError):
            files.read_bytes(path)


def test_a_file_larger_than_the_bound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 11)
    assert files.read_bytes(tmp_path / "a", 11) == b"x" * 11
    with pytest.raises(OSError, match="larger than 10 bytes"):
        files.read_bytes(tmp_path / "a", 10)
