import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.base.errors import UsageError
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
