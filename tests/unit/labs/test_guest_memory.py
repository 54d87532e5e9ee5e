"""Where a guest's memory would lie is looked at before a guest starts: one line with the cure, not a dead guest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from testbed.base.errors import PrerequisiteError
from testbed.labs import guest_memory
from testbed.labs.uml import UmlLab


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TMPDIR", "TMP", "TEMP"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "linux"
    path.touch(mode=0o755)
    return path


@pytest.mark.parametrize(
    ("value", "pattern"),
    [
        ("tmp", "TMPDIR=tmp: .*name it in full: TMPDIR=/"),
        ("./a b,c", "name it in full"),
        ("/no/such/directory", "no directory.*set TMPDIR to another directory"),
        ("/dev/null", "no directory"),
        ("/proc", "noexec|cannot be written|are free"),
        ("/no/\x1b[31m", r"TMPDIR=/no/\\x1b\[31m: "),
    ],
)
def test_a_directory_that_will_not_do_is_named_with_the_cure(
    image: Path, monkeypatch: pytest.MonkeyPatch, value: str, pattern: str
) -> None:
    monkeypatch.setenv("TMPDIR", value)
    with pytest.raises(PrerequisiteError, match=pattern) as caught:
        UmlLab(image)
    assert "\n" not in str(caught.value)


def test_too_little_room_is_told_before_a_guest_dies_of_it(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Small:
        f_bavail, f_frsize, f_flag = 64 << 8, 4096, 0

    monkeypatch.setattr(os, "statvfs", lambda _path: Small)
    with pytest.raises(PrerequisiteError, match=r"/dev/shm.*need 512 MiB; 64 are free.*set TMPDIR"):
        UmlLab(image)


def test_the_first_variable_that_says_something_counts(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert guest_memory.directory() == ("", Path("/dev/shm"))
    monkeypatch.setenv("TMPDIR", "")
    monkeypatch.setenv("TMP", str(image.parent))
    assert guest_memory.directory() == ("TMP", image.parent)
    UmlLab(image)
