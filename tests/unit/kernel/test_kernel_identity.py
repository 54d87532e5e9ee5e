import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.errors import PrerequisiteError, UsageError
from testbed.kernel import source
from testbed.kernel.cache import Cache
from testbed.kernel.config import Setting
from testbed.kernel.flavour import X86_64
from testbed.kernel.patches import Patch
from testbed.kernel.recipe import Recipe
from testbed.kernel.source import DebianSource
from testbed.kernel.tree import examine

ONE = Patch("one.patch", Path("one.patch"), "11" * 32)
TWO = Patch("two.patch", Path("two.patch"), "22" * 32)
BASE = Recipe(
    source=DebianSource("6.12.1-1"),
    patches=(ONE, TWO),
    settings=(Setting(Path("uml.config"), 1, "NET", "y"),),
    compiler="gcc (Debian 12.2.0-14) 12.2.0",
)


@pytest.mark.parametrize(
    "other",
    [
        replace(BASE, source=DebianSource("6.12.2-1")),
        replace(BASE, patches=(TWO, ONE)),
        replace(BASE, patches=(ONE,)),
        replace(BASE, patches=(replace(ONE, sha256="33" * 32), TWO)),
        replace(BASE, settings=(Setting(Path("uml.config"), 1, "NET", "n"),)),
        replace(BASE, settings=(*BASE.settings, Setting(Path("more.config"), 1, "TUN", "y"))),
        replace(BASE, compiler="gcc (Debian 14.2.0-19) 14.2.0"),
        replace(BASE, flavour=X86_64),
    ],
    ids=[
        *("source", "order of patches", "a patch less", "a patch's content", "configuration", "another fragment"),
        *("compiler", "flavour"),
    ],
)
def test_every_input_changes_the_identity(other: Recipe) -> None:
    assert other.id != BASE.id


def test_the_same_recipe_has_the_same_identity_wherever_its_files_lie() -> None:
    elsewhere = replace(
        BASE,
        settings=(Setting(Path("/other/common.config"), 7, "NET", "y"),),
        fragments=("/other/common.config",),
        patches=(replace(ONE, path=Path("/other/one.patch")), TWO),
    )
    assert elsewhere.id == BASE.id
    assert len(BASE.id) == 12
    int(BASE.id, 16)


def fake_kernel_tree(path: Path) -> Path:
    (path / "arch" / "um").mkdir(parents=True)
    (path / "arch" / "um" / "Makefile").write_text("")
    (path / "Kconfig").write_text("")
    return path


def test_a_change_in_a_source_tree_changes_its_state(tmp_path: Path) -> None:
    tree = fake_kernel_tree(tmp_path / "linux")
    before = examine(tree)
    assert examine(tree) == before
    (tree / "Kconfig").write_text("config X\n")
    assert examine(tree).identity != before.identity


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_state_of_a_repository_is_its_commit_and_what_differs(tmp_path: Path) -> None:
    tree = fake_kernel_tree(tmp_path / "linux")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "start"]):
        subprocess.run(["git", "-C", str(tree), *command], check=True, env=environment)
    committed = examine(tree).state
    os.utime(tree / "Kconfig", (1, 1))
    assert examine(tree).state == committed
    (tree / "Kconfig").write_text("config X\n")
    changed = examine(tree).state
    (tree / "Kconfig").write_text("config Y\n")
    changed_again = examine(tree).state
    (tree / "new.c").write_text("int x;\n")
    with_new_file = examine(tree).state
    assert len({committed, changed, changed_again, with_new_file}) == 4


def test_a_directory_without_a_kernel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no Linux kernel source tree"):
        examine(tmp_path)


@pytest.mark.parametrize("left", [".config", "include/config/auto.conf", "arch/x86/include/generated/x.h"])
def test_a_tree_that_was_built_in_is_refused_with_the_cure(tmp_path: Path, left: str) -> None:
    tree = fake_kernel_tree(tmp_path / "linux")
    (tree / left).parent.mkdir(parents=True, exist_ok=True)
    (tree / left).write_text("")
    with pytest.raises(UsageError, match="mrproper"):
        examine(tree)


def test_the_downloaded_source_counts_and_apt_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "linux-source-6.12_1%3a6.12.9-1~deb12u1_all.deb").write_bytes(b"")
    assert source.locate(tmp_path) == DebianSource("1:6.12.9-1~deb12u1")


def test_without_apt_the_missing_source_is_a_prerequisite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrerequisiteError, match=r"no apt .*--source DIR"):
        source.locate(Cache(tmp_path).downloads)


def fake_program(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.fixture
def fake_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    fake_program(folder, "apt-cache", "echo '  Candidate: 6.12.5-1'")
    fake_program(folder, "apt-get", "exit 0")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.mark.parametrize("answer", ["", "linux-source-6.12:\n  Installed: (none)\n  Candidate: (none)"])
def test_a_package_that_apt_does_not_know_asks_for_an_update(fake_apt: Path, tmp_path: Path, answer: str) -> None:
    fake_program(fake_apt, "apt-cache", f"echo '{answer}'")
    with pytest.raises(PrerequisiteError, match="apt-get update"):
        source.locate(tmp_path)


def test_a_download_arrives_whole_and_replaces_the_old_one(fake_apt: Path, tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    (downloads / "linux-source-6.12_6.12.4-1_all.deb").write_bytes(b"old")
    fake_program(fake_apt, "apt-get", "echo new > linux-source-6.12_6.12.5-1_all.deb")
    found = source.locate(downloads, update=True)
    file = source.fetch(found, downloads, lambda progress: None)
    assert file.read_text() == "new\n"
    assert list(downloads.iterdir()) == [file]


def test_a_failed_download_says_why_and_leaves_what_was_there(fake_apt: Path, tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    old = downloads / "linux-source-6.12_6.12.4-1_all.deb"
    old.write_bytes(b"old")
    fake_program(fake_apt, "apt-get", "echo part > a.deb; echo 'E: Failed to fetch x  404  Not Found' >&2; exit 100")
    with pytest.raises(PrerequisiteError, match=r"E: Failed to fetch x  404.*apt-get update"):
        source.fetch(DebianSource("6.12.5-1"), downloads, lambda progress: None)
    assert list(downloads.iterdir()) == [old]
