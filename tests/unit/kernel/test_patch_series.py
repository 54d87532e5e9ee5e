import shutil
from pathlib import Path

import pytest

from testbed.base.errors import ConfigError, KernelBuildError, PrerequisiteError
from testbed.kernel.patches import apply, first_misfit, read_series
from testbed.kernel.recipe import PATCH_FOLDER
from testbed.kernel.release import RELEASES

needs_patch = pytest.mark.skipif(shutil.which("patch") is None, reason="needs patch(1)")

FIRST = """\
From: A Developer <dev@example.org>
Subject: count from two

--- a/net/pm.c
+++ b/net/pm.c
@@ -1,3 +1,3 @@
 int a;
-int start = 1;
+int start = 2;
 int z;
"""
SECOND = """\
--- a/net/pm.c
+++ b/net/pm.c
@@ -1,3 +1,3 @@
 int a;
-int start = 2;
+int start = 3;
 int z;
--- /dev/null
+++ b/net/new.c
@@ -0,0 +1 @@
+int fresh;
"""
HALF_FITS = """\
--- a/net/pm.c
+++ b/net/pm.c
@@ -1,3 +1,3 @@
 int a;
-int start = 1;
+int start = 7;
 int z;
--- a/net/other.c
+++ b/net/other.c
@@ -1 +1 @@
-int something_else;
+int changed;
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "series-folder"
    folder.mkdir()
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "linux"
    (tree / "net").mkdir(parents=True)
    (tree / "net" / "pm.c").write_text("int a;\nint start = 1;\nint z;\n")
    (tree / "net" / "other.c").write_text("int other;\n")
    return tree


def series_of(folder: Path, **patches: str) -> Path:
    for name, content in patches.items():
        (folder / f"{name}.patch").write_text(content)
    series = folder / "series"
    series.write_text("".join(f"{name}.patch\n" for name in patches))
    return series


def files_of(tree: Path) -> dict[str, str]:
    return {str(file.relative_to(tree)): file.read_text() for file in tree.rglob("*") if file.is_file()}


def test_series_keeps_its_order_and_skips_comments_and_blank_lines(folder: Path) -> None:
    (folder / "z.patch").write_text("1")
    (folder / "a.patch").write_text("2")
    (folder / "series").write_text("# on top of 6.12\n\nz.patch  # first\n  a.patch -p1\n")
    assert [patch.name for patch in read_series(folder / "series", folder)] == ["z.patch", "a.patch"]


@pytest.mark.parametrize("release", RELEASES)
def test_the_series_of_this_repository_can_be_read(release: str) -> None:
    assert all(patch.path.is_file() for patch in read_series(PATCH_FOLDER / release / "series", PATCH_FOLDER))


def test_a_patch_says_whose_code_it_changes(folder: Path) -> None:
    subjects = {"a": "[PATCH net-next 2/3] mptcp: x", "b": "um: y", "c": "x86/um: z", "d": "no colon"}
    series = series_of(folder, **{name: FIRST.replace("count from two", text) for name, text in subjects.items()})
    assert [patch.subsystem for patch in read_series(series, folder)] == ["mptcp", "um", "x86/um", ""]


@pytest.mark.parametrize("release", RELEASES)
def test_the_series_of_this_repository_is_of_the_port_and_of_mptcp(release: str) -> None:
    series = read_series(PATCH_FOLDER / release / "series", PATCH_FOLDER)
    assert {patch.subsystem for patch in series} == {"um", "mptcp"}


def test_every_patch_of_this_repository_is_in_a_series_or_for_upstream() -> None:
    listed = {patch.path for name in RELEASES for patch in read_series(PATCH_FOLDER / name / "series", PATCH_FOLDER)}
    assert listed == set(PATCH_FOLDER.glob("*/*.patch")) - set((PATCH_FOLDER / "upstream").glob("*.patch"))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("missing.patch", "No such file"),
        ("there.patch", "listed twice"),
        ("../there.patch", "lies in series-folder/"),
        ("/etc/passwd", "lies in series-folder/"),
        ("other.patch -p0", "-p0"),
    ],
)
def test_a_bad_line_of_the_series_is_named(folder: Path, line: str, complaint: str) -> None:
    (folder / "there.patch").write_text("")
    (folder / "other.patch").write_text("")
    (folder / "series").write_text(f"# comment\nthere.patch\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        read_series(folder / "series", folder)
    assert str(caught.value).startswith(f"{folder / 'series'}:3: ")
    assert complaint in str(caught.value)


def test_a_missing_series_is_a_config_error(folder: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_series(folder / "series", folder)


@needs_patch
def test_patches_are_applied_in_order(folder: Path, tree: Path) -> None:
    apply(read_series(series_of(folder, first=FIRST, second=SECOND), folder), tree)
    assert files_of(tree) == {
        "net/pm.c": "int a;\nint start = 3;\nint z;\n",
        "net/other.c": "int other;\n",
        "net/new.c": "int fresh;\n",
    }


@needs_patch
def test_a_patch_that_fits_in_part_changes_nothing_and_names_file_and_hunk(folder: Path, tree: Path) -> None:
    before = files_of(tree)
    with pytest.raises(KernelBuildError, match=r"half\.patch does not apply: net/other\.c: hunk #1 at line 1"):
        apply(read_series(series_of(folder, half=HALF_FITS), folder), tree)
    assert files_of(tree) == before


@needs_patch
def test_a_patch_that_is_in_the_source_already_is_refused(folder: Path, tree: Path) -> None:
    patches = read_series(series_of(folder, first=FIRST), folder)
    apply(patches, tree)
    once = files_of(tree)
    with pytest.raises(KernelBuildError, match=r"first\.patch .* applied already"):
        apply(patches, tree)
    assert files_of(tree) == once


@needs_patch
def test_a_patch_needs_its_context_to_the_letter(folder: Path, tree: Path) -> None:
    (tree / "net" / "pm.c").write_text("int b;\nint start = 1;\nint z;\n")
    with pytest.raises(KernelBuildError, match="hunk #1"):
        apply(read_series(series_of(folder, first=FIRST), folder), tree)


@needs_patch
def test_a_patch_for_a_file_that_is_not_there_names_it(folder: Path, tree: Path) -> None:
    (tree / "net" / "pm.c").unlink()
    with pytest.raises(KernelBuildError, match=r"net/pm\.c"):
        apply(read_series(series_of(folder, first=FIRST), folder), tree)


@needs_patch
def test_a_file_that_is_no_patch_is_refused(folder: Path, tree: Path) -> None:
    with pytest.raises(KernelBuildError, match=r"words\.patch does not apply: Only garbage"):
        apply(read_series(series_of(folder, words="nothing to see\n"), folder), tree)


def test_a_missing_patch_program_is_a_prerequisite(
    folder: Path, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patches = read_series(series_of(folder, first=FIRST), folder)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrerequisiteError, match="apt-get install patch"):
        apply(patches, tree)


def test_the_first_of_several_misfits_is_the_one_reported() -> None:
    output = (
        "checking file net/a.c\nchecking file net/b.c\nHunk #2 FAILED at 40.\n"
        "1 out of 2 hunks FAILED\nHunk #3 FAILED at 9.\n"
    )
    assert first_misfit(output) == "net/b.c: hunk #2 at line 40"
