"""The machine that counts instructions: how QEMU is told, what its counter writes, and what is missing in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.base.errors import LabError, PrerequisiteError, UsageError
from testbed.kernel.cache import Cache
from testbed.labs.counting import counter, machine, marks
from testbed.labs.counting.marks import Executed

DEBIAN_12 = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright (c) 2003-2022"
DEBIAN_13 = "QEMU emulator version 10.0.8 (Debian 1:10.0.8+ds-0+deb13u1)\nCopyright (c) 2003-2025"


def test_each_mark_has_two_counts(tmp_path: Path) -> None:
    (tmp_path / "instructions").write_text("10 20\n11 25\n")
    first, second = marks.read(tmp_path / "instructions")
    assert (first, second) == (Executed(10, 20), Executed(11, 25))
    assert second.all == 36


@pytest.mark.parametrize("line", ["1 2 3 4", "1", "", "1 -2", "1 two", "1.5 2", "¹ ²"])
def test_what_no_counter_writes_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "instructions").write_text(f"1 2\n{line}\n")
    with pytest.raises(LabError, match=r"instructions:2: not two counts"):
        marks.read(tmp_path / "instructions")


def test_counts_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot be read"):
        marks.read(tmp_path / "instructions")


def test_a_mark_is_a_call_that_does_nothing_else() -> None:
    mark = marks.mark()
    mark()
    mark()
    with pytest.raises(OSError, match="no memory at the address of the mark"):
        marks.mark()


def test_the_counter_has_the_interface_of_the_qemu_that_loads_it() -> None:
    assert counter.parse_version(DEBIAN_12) == (7, 2)
    assert counter.parse_version(DEBIAN_13) == (10, 0)
    assert "-DVERSION=1" in counter.library((7, 2)).options
    assert "-DVERSION=2" in counter.library((10, 0)).options
    assert counter.library((7, 2)).identity != counter.library((10, 0)).identity


@pytest.mark.parametrize("said", ["", "no such thing", "QEMU emulator version 4.1.0"])
def test_a_qemu_without_plugins_is_refused(said: str) -> None:
    with pytest.raises(PrerequisiteError) as refused:
        counter.parse_version(said)
    assert "apt-get install qemu-system-x86" in refused.value.hint


def test_without_qemu_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrerequisiteError, match="qemu-system-x86_64 is not installed") as refused:
        machine.find()
    assert "apt-get install qemu-system-x86" in refused.value.hint


def test_the_counter_is_built_for_this_machine(tmp_path: Path) -> None:
    built = counter.library((7, 2)).ensure(Cache(tmp_path / "cache"))
    assert built.read_bytes().startswith(b"\x7fELF")


def test_nothing_of_this_machine_but_its_files_reaches_the_guest() -> None:
    argv = machine.command_line(Path("/k/bzImage"), Path("/c/counter.so"), Path("/tmp/r"), seed=7)
    words = " ".join(argv)
    assert "-icount shift=0,sleep=off" in words and "clock=vm" in words and "-seed 7" in words
    assert "-nodefaults" in argv and "-netdev" not in argv and "-nic" not in argv
    root = argv[argv.index("-fsdev") + 1]
    assert "path=/," in root and "readonly=on" in root


@pytest.mark.parametrize(("runtime", "plugin"), [('/tmp/a"b', "/c/counter.so"), ("/tmp/r", "/c,d/counter.so")])
def test_a_path_that_qemu_cannot_be_told_is_refused(runtime: str, plugin: str) -> None:
    with pytest.raises(UsageError, match="QEMU cannot be told"):
        machine.command_line(Path("/k/bzImage"), Path(plugin), Path(runtime), seed=1)
