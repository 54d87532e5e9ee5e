"""Whose a file is: what may be replaced and removed, and which directory may be trusted."""

from __future__ import annotations

import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from testbed.base import files, ownership
from testbed.base.ownership import LIST

DEAD_DRAFT = f".a.99999999-{'0' * 16}.testbed-draft"


def write(path: Path, text: str) -> None:
    with ownership.replacing(path) as file:
        file.write(text.encode())


def test_what_we_made_is_replaced_and_what_was_there_is_not(tmp_path: Path) -> None:
    write(tmp_path / "ours", "one")
    write(tmp_path / "ours", "two")
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(FileExistsError, match="testbed did not make it"):
        write(tmp_path / "mine", "ours")
    assert (tmp_path / "ours").read_text() == "two"
    assert (tmp_path / "mine").read_text() == "mine"
    assert ownership.made(tmp_path) == {"ours"}


@pytest.mark.parametrize("target", ["mine", "not-there"])
def test_a_link_in_place_of_a_file_is_not_written_through(tmp_path: Path, target: str) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(FileExistsError):
        write(tmp_path / "link", "ours")
    with ownership.replacing(tmp_path / "link", is_ours=True) as file:
        file.write(b"ours")
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "not-there").exists()
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\n", b"a\n" * 1_000_000, b"../up\n/etc/passwd\n..\n"])
def test_a_list_that_is_none_of_ours_removes_nothing_else(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "up").write_text("mine")
    (folder / "mine").write_text("mine")
    (folder / LIST).write_bytes(content)
    assert ownership.remove_made(folder) == [folder / "mine"]
    assert (tmp_path / "up").exists()


def test_removing_takes_what_is_listed_and_dead_drafts_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder / "ours", "x")
    (folder / DEAD_DRAFT).touch()
    alive = files.draft_path(folder / "b")
    alive.touch()
    assert ownership.remove_made(folder) == [alive]
    alive.unlink()
    assert ownership.remove_made(folder) == []
    assert not folder.exists()


def test_a_directory_at_the_place_of_a_listed_file_stays(tmp_path: Path) -> None:
    write(tmp_path / "ours", "x")
    (tmp_path / "ours").unlink()
    (tmp_path / "ours").mkdir()
    assert ownership.remove_made(tmp_path) == [tmp_path / "ours"]


def test_a_linked_folder_is_left(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    write(tmp_path / "real" / "ours", "x")
    (tmp_path / "link").symlink_to("real")
    assert ownership.remove_made(tmp_path / "link") == [tmp_path / "link"]
    assert ownership.remove_drafts(tmp_path / "link") == []
    assert (tmp_path / "real" / "ours").exists()


@pytest.mark.parametrize(
    ("mode", "why"), [(0o700, ""), (0o755, ""), (0o757, "everybody may write there"), (0o1777, "everybody may")]
)
def test_a_directory_is_trusted_where_nobody_else_may_write(tmp_path: Path, mode: int, why: str) -> None:
    directory = tmp_path / "d"
    directory.mkdir()
    directory.chmod(mode)
    said = ownership.why_not_private(directory)
    assert said.startswith(why) and bool(said) == bool(why)
    (tmp_path / "link").symlink_to(directory)
    assert ownership.why_not_private(tmp_path / "link") == said


def test_what_is_no_directory_is_not_trusted_and_what_is_not_there_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("gone")
    assert ownership.why_not_private(tmp_path / "file") == "not a directory"
    assert ownership.why_not_private(tmp_path / "dangling") == "a link to nothing"
    assert ownership.why_not_private(tmp_path / "gone") == ""
    assert ownership.why_not_private(tmp_path / "file" / "below") == "Not a directory"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a directory to somebody else")
def test_a_directory_of_another_user_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_UID", raising=False)
    directory = tmp_path / "d"
    directory.mkdir()
    os.chown(directory, 4711, 4711)
    assert ownership.why_not_private(directory) == "it belongs to another user (4711)"
    monkeypatch.setenv("SUDO_UID", "4711")
    assert ownership.why_not_private(directory) == ""
    os.chown(directory, 0, 4711)
    directory.chmod(0o775)
    assert ownership.why_not_private(directory) == "others may write there (its group may)"


@pytest.mark.parametrize("kind", ["fifo", "link", "dangling", "directory"])
def test_a_lock_is_a_regular_file_of_ours(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "lock"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / kind)
    if kind == "link":
        (tmp_path / kind).write_text("mine")
    for create in (True, False):
        with pytest.raises(OSError, match="lock"):
            ownership.open_lock(path, create=create)
    assert not (tmp_path / "dangling").exists()


def test_a_lock_is_made_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ownership.open_lock(tmp_path / "lock", create=False)
    with ownership.open_lock(tmp_path / "lock") as file:
        assert stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    with ownership.open_lock(tmp_path / "lock", create=False):
        pass


def test_files_that_several_note_at_once_are_all_on_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ownership.made

    def made_slowly(folder: Path) -> frozenset[str]:
        found = made(folder)
        time.sleep(0.05)
        return found

    monkeypatch.setattr(ownership, "made", made_slowly)
    with ThreadPoolExecutor(4) as several:
        list(several.map(ownership.note, [tmp_path / name for name in "abcd"]))
        assert made(tmp_path) == {"a", "b", "c", "d"}
        for name in "abcd":
            (tmp_path / name).touch()
        assert list(several.map(ownership.remove_one, [tmp_path / name for name in "abc"])) == [True, True, True]
    assert made(tmp_path) == {"d"}
