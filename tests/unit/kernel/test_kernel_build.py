"""The build from end to end, with a source tree of three files and programs that play gcc and make."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from experiments.cli.kernel import kernel as kernel_command
from testbed.base.errors import KernelBuildError, PrerequisiteError
from testbed.holding import state
from testbed.kernel.build import build, find
from testbed.kernel.cache import Cache
from testbed.kernel.flavour import X86_64
from testbed.kernel.progress import Progress
from testbed.kernel.release import RELEASES

# A make that configures from the fragment, then "compiles": the argument O= says where.
MAKE = """\
for word in "$@"; do
    case "$word" in
        O=*) objects="${word#O=}" ;;
        KCONFIG_ALLCONFIG=*) fragment="${word#KCONFIG_ALLCONFIG=}" ;;
    esac
    goal="$word"
done
env > "$objects/environment"
if [ "$goal" = allnoconfig ]; then
    cp "$fragment" "$objects/.config"
    exit 0
fi
mkdir -p "$objects/include/config"
echo 6.12.99 > "$objects/include/config/kernel.release"
echo '  CC      init/main.o'
echo '  LINK linux'
"""
SUCCEEDS = MAKE + 'echo binary > "$objects/linux"\n'
SUCCEEDS_FOR_A_PC = MAKE + 'mkdir -p "$objects/arch/x86/boot"; echo "$*" > "$objects/arch/x86/boot/bzImage"\n'
FAILS = MAKE + "echo \"net/a.c:1:1: error: 'x' undeclared\" >&2\necho 'make: *** [a] Error 2' >&2\nexit 2\n"
LOSES_A_SETTING = SUCCEEDS.replace('cp "$fragment"', 'grep -v MPTCP "$fragment" > "$objects/.config"; exit 0; cp x')


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    put(folder, "gcc", "echo 'gcc (Fake) 1.0'")
    for name in ("ld", "flex", "bison", "bc"):
        put(folder, name, "exit 0")
    put(folder, "make", SUCCEEDS)
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "linux"
    (tree / "arch" / "um").mkdir(parents=True)
    (tree / "arch" / "um" / "Makefile").write_text("um\n")
    (tree / "Kconfig").write_text("config NET\n")
    return tree


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "kernel-patches"
    common = folder / "common"
    common.mkdir(parents=True)
    (common / "common.config").write_text("CONFIG_NET=y\nCONFIG_MPTCP=y\n")
    (common / "uml.config").write_text("CONFIG_HOSTFS=y\n")
    (common / "x86_64.config").write_text("CONFIG_PCI=y\n")
    for release in RELEASES:
        (folder / release).mkdir()
        (folder / release / "common.config").write_text(f"CONFIG_ONLY_{release.replace('.', '_')}=y\n")
        (folder / release / "series").write_text("common/um.patch\n")
    (common / "um.patch").write_text("--- a/arch/um/Makefile\n+++ b/arch/um/Makefile\n@@ -1 +1 @@\n-um\n+patched\n")
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def put(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def names_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir() if not file.name.startswith(".lock-")}


def test_a_kernel_is_built_once_and_found_afterwards(programs: Path, tree: Path, folder: Path, cache: Cache) -> None:
    assert find(tree, cache=cache, folder=folder) is None
    seen: list[Progress] = []
    built = build(tree, progress=seen.append, cache=cache, folder=folder)
    assert built.image.read_text() == "binary\n"
    assert os.access(built.image, os.X_OK)
    assert (built.release, built.manifest.steps, built.manifest.patches) == ("6.12.99", 2, ())
    assert names_in(cache.kernels) == {built.id}
    assert names_in(built.image.parent) == {"linux", "config", "manifest.json", "build.log"}
    assert seen[-1].stage == "compile" and seen[-1].done == 2
    put(programs, "make", "exit 1")
    assert build(tree, cache=cache, folder=folder) == built == find(tree, cache=cache, folder=folder)


def test_the_x86_64_flavour_gives_a_kernel_of_its_own(programs: Path, tree: Path, folder: Path, cache: Cache) -> None:
    lab_kernel = build(tree, cache=cache, folder=folder)
    put(programs, "make", SUCCEEDS_FOR_A_PC)
    built = build(tree, flavour=X86_64, cache=cache, folder=folder)
    assert (built.image.name, built.manifest.flavour) == ("bzImage", "x86_64")
    words = built.image.read_text().split()
    assert "ARCH=x86_64" in words and words[-1] == "bzImage"
    assert "CONFIG_PCI=y\n" in (built.image.parent / "config").read_text()
    assert find(tree, flavour=X86_64, cache=cache, folder=folder) == built
    assert find(tree, cache=cache, folder=folder) == lab_kernel != built


def test_a_fragment_more_is_configured_and_recorded(programs: Path, tree: Path, folder: Path, cache: Cache) -> None:
    more = folder / "more.config"
    more.write_text("CONFIG_TUN=y\n")
    built = build(tree, fragments=[more], cache=cache, folder=folder)
    assert (built.image.parent / "config").read_text() == (
        "CONFIG_NET=y\nCONFIG_MPTCP=y\nCONFIG_HOSTFS=y\nCONFIG_ONLY_6_12=y\nCONFIG_TUN=y\n"
    )
    assert built.manifest.fragments == ("more.config",)
    assert find(tree, cache=cache, folder=folder) is None


@pytest.mark.parametrize(
    ("makefile", "release"),
    [
        ("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\n", "6_12"),
        ("VERSION = 7\nPATCHLEVEL = 2\n", "6_12"),
        ("VERSION = 7\nPATCHLEVEL = 3\n", "7_3"),
        ("VERSION = 8\nPATCHLEVEL = 0\n", "7_3"),
        ("VERSION = 5\nPATCHLEVEL = 9\n", "6_12"),
        ("VERSION = ?\n", "6_12"),
    ],
)
def test_a_tree_gets_what_the_nearest_release_that_is_no_newer_needs(
    programs: Path, tree: Path, folder: Path, cache: Cache, makefile: str, release: str
) -> None:
    (tree / "Makefile").write_text(f"# SPDX\n{makefile}")
    built = build(tree, cache=cache, folder=folder)
    assert f"CONFIG_ONLY_{release}=y\n" in (built.image.parent / "config").read_text()


def test_without_libelf_only_the_x86_64_flavour_is_refused(
    programs: Path, tree: Path, folder: Path, cache: Cache
) -> None:
    put(programs, "gcc", 'case "$*" in *gelf.h*) echo "no gelf.h" >&2; exit 1 ;; *) echo "gcc (Fake) 1.0" ;; esac')
    with pytest.raises(PrerequisiteError, match="apt-get install libelf-dev"):
        build(tree, flavour=X86_64, cache=cache, folder=folder)
    build(tree, cache=cache, folder=folder)


def test_a_tree_of_the_users_own_is_patched_in_a_copy_only(
    programs: Path, tree: Path, folder: Path, cache: Cache
) -> None:
    if shutil.which("patch") is None:
        pytest.skip("needs patch(1)")
    built = build(tree, patches=True, keep=True, cache=cache, folder=folder)
    assert (tree / "arch" / "um" / "Makefile").read_text() == "um\n"
    assert (built.image.parent / "source" / "arch" / "um" / "Makefile").read_text() == "patched\n"
    assert [patch.name for patch in built.manifest.patches] == ["common/um.patch"]
    assert built.id != build(tree, cache=cache, folder=folder).id


def test_a_make_around_us_does_not_reach_the_kernels(
    programs: Path, tree: Path, folder: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAKEFLAGS", "-j9 --jobserver-auth=3,4")
    monkeypatch.setenv("KCFLAGS", "-O0")
    built = build(tree, keep=True, cache=cache, folder=folder)
    environment = (built.image.parent / "build" / "environment").read_text()
    assert "MAKEFLAGS" not in environment
    assert "KCFLAGS" not in environment
    assert "KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970\n" in environment


def test_the_warnings_of_a_tree_of_the_users_own_are_kept(
    programs: Path, tree: Path, folder: Path, cache: Cache
) -> None:
    put(programs, "make", SUCCEEDS.replace("echo binary", 'echo "$*"'))
    assert "KCFLAGS" not in build(tree, cache=cache, folder=folder).image.read_text()


def test_a_failed_build_names_the_error_and_keeps_only_the_log(
    programs: Path, tree: Path, folder: Path, cache: Cache
) -> None:
    put(programs, "make", FAILS)
    with pytest.raises(KernelBuildError, match=r"net/a\.c:1:1: error: 'x' undeclared") as caught:
        build(tree, cache=cache, folder=folder)
    (log,) = cache.kernels.glob("failed-*.log")
    assert str(log) in str(caught.value)
    assert "Error 2" in log.read_text()
    assert names_in(cache.kernels) == {log.name}
    put(programs, "make", SUCCEEDS)
    built = build(tree, cache=cache, folder=folder)
    assert names_in(cache.kernels) == {built.id}


def test_a_setting_that_the_configuration_lost_stops_the_build(
    programs: Path, tree: Path, folder: Path, cache: Cache
) -> None:
    put(programs, "make", LOSES_A_SETTING)
    with pytest.raises(KernelBuildError, match=r"common\.config:2: CONFIG_MPTCP=y was lost"):
        build(tree, cache=cache, folder=folder)


def test_an_interrupt_ends_make_and_its_children_and_leaves_nothing(
    programs: Path, tree: Path, folder: Path, cache: Cache, tmp_path: Path
) -> None:
    put(programs, "make", MAKE + f"sleep 60 & echo $! > {tmp_path}/child; wait")

    def interrupt(progress: Progress) -> None:
        if progress.done and (tmp_path / "child").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tree, progress=interrupt, cache=cache, folder=folder)
    assert is_gone(int((tmp_path / "child").read_text()))
    assert names_in(cache.kernels) == set()


def is_gone(pid: int) -> bool:
    """Whether a process has ended (one that nobody has reaped yet counts as ended)."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if state(pid) in "ZX":
            return True
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    return False


def test_missing_programs_are_named_with_their_packages(
    programs: Path, tree: Path, folder: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("flex", "bc"):
        (programs / name).unlink()
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(PrerequisiteError, match=r"flex, bc \(sudo apt-get install flex bc\)"):
        build(tree, cache=cache, folder=folder)


def test_nothing_is_found_where_there_is_no_compiler(
    tree: Path, folder: Path, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find(tree, cache=cache, folder=folder) is None


def test_path_prints_the_image_alone_and_fails_with_a_hint_before_there_is_one(
    programs: Path, tree: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTBED_CACHE", str(cache.root))
    missing = CliRunner().invoke(kernel_command, ["path", "--source", str(tree)])
    assert isinstance(missing.exception, PrerequisiteError)
    assert "testbed kernel build" in str(missing.exception)
    first = CliRunner().invoke(kernel_command, ["build", "--source", str(tree)])
    assert first.exception is None, first.output
    assert "built in" in first.stderr
    second = CliRunner().invoke(kernel_command, ["build", "--source", str(tree)])
    assert "already in the cache" in second.stderr
    found = CliRunner().invoke(kernel_command, ["path", "--source", str(tree)])
    assert first.stdout == second.stdout == found.stdout
    assert Path(found.stdout.strip()).read_text() == "binary\n"
    listed = CliRunner().invoke(kernel_command, ["status"])
    assert "6.12.99" in listed.stdout
