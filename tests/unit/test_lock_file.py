"""The lock of the Python packages: it is whole, it fits what is declared, and it is what this environment has."""

from __future__ import annotations

import configparser
import re
import sysconfig
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from testbed import lock_file
from testbed.base.errors import ConfigError

CHECKOUT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.11", "3.12", "3.13")
OURS = "mptcp-lb-testbed"


def declared() -> list[Requirement]:
    parser = configparser.ConfigParser()
    parser.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    texts = [parser["options"]["install_requires"], *parser["options.extras_require"].values()]
    return [Requirement(line) for text in texts for line in text.splitlines() if line and not line.startswith("#")]


def environment(python: str) -> dict[str, str]:
    return {"python_version": python, "python_full_version": f"{python}.0"}


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_satisfies_setup_cfg_for_every_python(python: str) -> None:
    locked = lock_file.read(lock_file.PACKAGES)
    wanted = [each for each in declared() if each.marker is None or each.marker.evaluate(environment(python))]
    for each in wanted:
        entry = locked.get(canonicalize_name(each.name))
        assert entry is not None and entry.applies(environment(python)), f"{each}: not in the lock: run: make lock"
        assert each.specifier.contains(entry.version, prereleases=True), f"{each}: {entry.version}: run: make lock"
    assert len(wanted) >= 20


def test_every_declared_range_ends_before_a_version_that_nobody_has_tried() -> None:
    for each in declared():
        assert any(pin.operator in ("<", "==") for pin in each.specifier), f"{each}: no upper bound"


def test_the_build_lock_satisfies_what_pyproject_builds_with() -> None:
    locked = lock_file.read(lock_file.BUILD_PACKAGES)
    wanted = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    for each in map(Requirement, wanted):
        assert each.specifier.contains(locked[canonicalize_name(each.name)].version)
    both = lock_file.read(lock_file.PACKAGES)
    assert {name: both[name].version for name in locked if name in both} == {
        name: entry.version for name, entry in locked.items() if name in both
    }


@pytest.mark.parametrize("path", [lock_file.PACKAGES, lock_file.BUILD_PACKAGES], ids=lambda path: path.name)
def test_every_entry_has_hashes_and_none_says_where_it_comes_from(path: Path) -> None:
    for entry in lock_file.read(path).values():
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in entry.hashes)
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    assert not [line for line in lines if re.search(r"://|@|--(?!hash=)|/", line)]


def test_the_environment_has_what_the_lock_names_and_nothing_else() -> None:
    entries = lock_file.read(lock_file.PACKAGES) | lock_file.read(lock_file.BUILD_PACKAGES)
    wanted = {name: entry.version for name, entry in entries.items() if entry.applies()}
    # Not all of sys.path: setuptools adds what it carries with it.
    found = metadata.distributions(path=[sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    there = {canonicalize_name(each.metadata["Name"]): each.version for each in found}
    # pip comes with Python's own venv, from no index.
    assert {name: there[name] for name in there if name not in ("pip", OURS)} == wanted, "run: make venv"


def test_all_that_a_locked_package_requires_is_locked() -> None:
    entries = lock_file.read(lock_file.PACKAGES)
    for name, entry in entries.items():
        if entry.applies():
            for text in metadata.requires(name) or ():
                needed = Requirement(text)
                if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                    found = entries[canonicalize_name(needed.name)]
                    assert needed.specifier.contains(found.version, prereleases=True), f"{name} needs {needed}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("click==8.1.0\n", "click: without one version and its hashes"),
        ("click>=8 \\\n    --hash=sha256:00\n", "click: without one version and its hashes"),
        ("click==8.* --hash=sha256:00\n", "click: without one version and its hashes"),
        ("click @ file:///tmp/x --hash=sha256:00\n", "click: without one version and its hashes"),
        ("# a comment\n--index-url elsewhere\n", "no locked package"),
    ],
)
def test_a_lock_that_would_let_other_bytes_in_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "lock.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        lock_file.read(path)


def test_an_entry_keeps_its_hashes_when_it_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "lock.txt"
    entries = lock_file.read(lock_file.PACKAGES)
    path.write_text("".join(f"{entry.line()}\n" for entry in entries.values()), encoding="utf-8")
    again = lock_file.read(path)
    assert {name: entry.line() for name, entry in again.items()} == {n: e.line() for n, e in entries.items()}
