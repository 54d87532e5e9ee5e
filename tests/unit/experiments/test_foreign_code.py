"""Users' own code is what was read and hashed: not what a stranger's point names, nor what lies beside."""

from __future__ import annotations

import os
import py_compile
import sys
from pathlib import Path

import pytest

from experiments import api
from experiments.composition import parts_of
from testbed.base import own_code
from testbed.base.errors import ConfigError
from testbed.base.own_errors import BadCode
from testbed.record.point import PartRecord, Point

FIG07 = ("fig07",)
PART = """\
from testbed.directors.ipvs_nat import IpvsNat


class Mine(IpvsNat):
    \"\"\"IPVS, as ours.\"\"\"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def package(folder: Path, **modules: str) -> Path:
    """The package `pack` with a director, and modules by their names."""
    place = folder / "pack"
    place.mkdir()
    (place / "__init__.py").write_text(PART)
    for name, text in modules.items():
        (place / f"{name}.py").write_text(text)
    return place


def naming(record: PartRecord) -> Point:
    point = api.plan(FIG07)[0]
    return point.model_copy(update={"parts": {**point.parts, "director": record}})


@pytest.mark.parametrize("name", ["./evil.py", "evil.py", "../evil.py", "{folder}/evil.py", "./evil"])
def test_a_path_in_a_point_without_a_hash_is_never_followed(folder: Path, name: str) -> None:
    trap = folder / "executed"
    text = f"open({str(trap)!r}, 'w').close()\n{PART}"
    for place in (folder / "evil.py", folder.parent / "evil.py", folder / "evil/__init__.py"):
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
    with pytest.raises(ConfigError, match="there is no director"):
        parts_of(naming(PartRecord(name=name.format(folder=folder))))
    assert not trap.exists()


def test_bytecode_that_lies_in_a_package_is_not_executed(folder: Path) -> None:
    place = package(folder, inner="VALUE = 'of the source'\n")
    (place / "__init__.py").write_text(f"from .inner import VALUE\n{PART}")
    other = folder / "other.py"
    other.write_text("VALUE = 'of the bytecode'\n")
    cached = place / "__pycache__" / f"inner.{sys.implementation.cache_tag}.pyc"
    # Bytecode that says of itself that it needs no source to compare with.
    py_compile.compile(str(other), cfile=str(cached), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert own_code.read(place).load().__dict__["VALUE"] == "of the source"


def test_what_is_executed_is_what_was_read(folder: Path) -> None:
    path = folder / "mine.py"
    path.write_text(f"VALUE = 1\n{PART}")
    code = own_code.read(path)
    path.write_text(f"VALUE = 2\n{PART}")
    assert code.load().__dict__["VALUE"] == 1


def test_a_directory_that_a_package_links_to_is_not_part_of_it(folder: Path) -> None:
    place = package(folder)
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere/__init__.py").write_text("open('executed', 'w').close()\n")
    (place / "linked").symlink_to("../elsewhere")
    (place / "__init__.py").write_text(f"from . import linked\n{PART}")
    with pytest.raises(BadCode, match=r"pack/__init__.py:1: ImportError: cannot import name 'linked'"):
        own_code.read(place).load()
    assert not (folder / "executed").exists()


def test_a_package_has_packages_within_it(folder: Path) -> None:
    place = package(folder)
    (place / "inner/deep").mkdir(parents=True)
    (place / "inner/deep/leaf.py").write_text("from ...sibling import VALUE\n")
    (place / "sibling.py").write_text("VALUE = 3\n")
    (place / "__init__.py").write_text(f"from .inner.deep.leaf import VALUE\n{PART}")
    assert own_code.read(place).load().__dict__["VALUE"] == 3


def test_the_current_directory_is_a_package_by_its_own_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = package(folder)
    monkeypatch.chdir(place)
    (place / "inner").mkdir()
    for path in (Path("./"), Path("inner/..")):
        code = own_code.read_own(path)
        assert code.name == "pack" and list(code.contents) == ["pack/__init__.py"]


def test_files_are_told_apart_by_names_that_are_no_text(folder: Path) -> None:
    place = package(folder)
    (Path(os.fsdecode(os.fsencode(place) + b"/\xff.dat"))).write_bytes(b"")
    assert len(own_code.read(place).sha256) == 64


@pytest.mark.parametrize("text", ["x = " + "(" * 5000, "x = " + "-" * 100_000 + "1"])
def test_source_that_is_nested_too_deeply_is_one_line(folder: Path, text: str) -> None:
    (folder / "mine.py").write_text(text)
    with pytest.raises(BadCode, match=r"^mine.py"):
        own_code.read(folder / "mine.py").load()


def test_a_link_to_itself_is_no_file(folder: Path) -> None:
    (folder / "mine.py").symlink_to("mine.py")
    with pytest.raises(BadCode, match=r"Too many levels of symbolic links"):
        own_code.read_own(folder / "mine.py")
