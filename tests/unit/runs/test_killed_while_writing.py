"""What is killed while it writes leaves no file that looks like a stranger's: it is replaced, and removed, as ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from testbed.base import ownership
from testbed.runs import removal, store


class Killed(BaseException):
    """Nothing is done after it."""


def killed_behind(renames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise `Killed` once so many files have taken their names."""
    replace, taken = Path.replace, []

    def count(self: Path, target: Path) -> Path:
        if len(taken) == renames:
            raise Killed
        taken.append(replace(self, target))
        if len(taken) == renames:
            raise Killed
        return taken[-1]

    monkeypatch.setattr(Path, "replace", count)


@pytest.mark.parametrize("renames", [1, 2])
def test_a_file_is_ours_as_soon_as_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int) -> None:
    killed_behind(renames, monkeypatch)
    with pytest.raises(Killed), ownership.replacing(tmp_path / "a.png") as file:
        file.write(b"whole")
    monkeypatch.undo()
    assert (tmp_path / "a.png").exists() == (renames == 2)
    assert ownership.made(tmp_path) == {"a.png"}
    with ownership.replacing(tmp_path / "a.png") as file:
        file.write(b"again")
    assert ownership.remove_made(tmp_path) == []


def test_a_file_that_cannot_be_written_is_not_on_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b.png").touch()
    ownership.note(tmp_path / "b.png")

    def full(_handle: int) -> None:
        if "a.png" in ownership.made(tmp_path):
            raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"), ownership.replacing(tmp_path / "a.png"):
        pass
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir() if path.name != ownership.LIST] == ["b.png"]


@pytest.mark.parametrize("renames", [1, 2, 3])
def test_a_run_is_ours_as_soon_as_it_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int) -> None:
    killed_behind(renames, monkeypatch)
    with pytest.raises(Killed):
        store.create(tmp_path / "run", ["point"], {"command": []}, 1)
    monkeypatch.undo()
    runs = store.runs(tmp_path)
    assert len(runs) == (renames == 3)
    assert [removal.why_not_ours(run) for run in runs] == [""] * len(runs)
