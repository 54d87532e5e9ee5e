"""The kernel's own MPTCP selftests: scripts and C helpers out of the kernel's source, built once, cut into units.

They are those of the unpatched source, whatever is in the series: every kernel is judged by the same tests.
Source: tools/testing/selftests/net/mptcp.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.base.errors import CommandError, KernelBuildError, PrerequisiteError
from testbed.kernel import download, source, toolchain
from testbed.kernel.build import SPACE_FOR_SOURCE_BYTES
from testbed.kernel.cache import Cache, default_cache
from testbed.kernel.progress import Progress, Report, silent
from testbed.kernel.recipe import fragments_named
from testbed.kernel.release import DEFAULT, Release
from testbed.kernel.source import DebianSource, unpack
from testbed.process import run, search_path

PACKAGES_FILE = Path(__file__).resolve().parents[1] / "debian-packages-selftests.txt"
PROGRAMS: Mapping[str, str] = {"iptables": "iptables", "ip6tables": "iptables", "nft": "nftables"}
"""What the scripts run beyond what the testbed needs anyway; without it they skip what uses it."""

_NET = Path("tools/testing/selftests/net")
# What the scripts take from the folder above theirs: each release has some of it.
_SHARED = ("lib.sh", "net_helper.sh", "lib/sh/*.sh")
# Every `:` line of the array `all_tests_sorted` in mptcp_join.sh, e.g. `f@subflows_tests`.
_GROUP = re.compile(r"^\t(\w)@\w+$", re.MULTILINE)
# mptcp_connect.sh draws delay, loss, reordering, offloads and file size; two kernels must get the same ones.
_CONNECT = ("-d", "20", "-l", "0.5%", "-r", "25% 50%", "-e", "gro", "-f", "1000001")
# What a release's mptcp_connect_MODE.sh calls mptcp_connect.sh with, e.g. `-m mmap`.
_MODE = re.compile(r'/mptcp_connect\.sh" (.+) "\$\{@\}"$', re.MULTILINE)
_BUILD_LIMIT_S = 1800.0


def fragments(of: Release) -> tuple[Path, ...]:
    """What a kernel of this release must have on top of the uml flavour to run the tests: files of its options."""
    return tuple(fragments_named(("selftests.config",), of))


@dataclass(frozen=True)
class Suite:
    """Where the tests lie, laid out as the kernel's `net` folder (`scripts` is its `mptcp`), and from which source."""

    folder: Path
    source: str

    @property
    def scripts(self) -> Path:
        """The folder of the scripts and the built helpers."""
        return self.folder / "mptcp"


@dataclass(frozen=True)
class Unit:
    """A run of one script in a guest of its own: `name`, unique, is the script's and what it is told to run."""

    name: str
    script: str
    options: tuple[str, ...] = ()


def units(suite: Suite) -> list[Unit]:
    """The suite, cut so that a test that hangs costs few others: mptcp_join.sh by group, mptcp_connect.sh by mode."""
    groups = _GROUP.findall((suite.scripts / "mptcp_join.sh").read_text(encoding="utf-8"))
    if not groups:
        raise KernelBuildError(f"{suite.scripts / 'mptcp_join.sh'}: its groups of tests cannot be told")
    return [
        Unit("pm_netlink", "pm_netlink.sh"),
        *(
            Unit(f"mptcp_connect-{mode}", "mptcp_connect.sh", (*_CONNECT, *options))
            for mode, options in _connect_modes(suite.scripts).items()
        ),
        *(Unit(f"mptcp_join-{letter}", "mptcp_join.sh", (f"-{letter}",)) for letter in groups),
    ]


def _connect_modes(scripts: Path) -> dict[str, tuple[str, ...]]:
    """The ways in which mptcp_connect.sh is a test of its own, with the options of each: `poll` has none."""
    modes: dict[str, tuple[str, ...]] = {"poll": ()}
    for path in sorted(scripts.glob("mptcp_connect_*.sh")):
        if (match := _MODE.search(path.read_text(encoding="utf-8"))) is not None:
            modes[path.stem.removeprefix("mptcp_connect_")] = tuple(match[1].split())
    return modes


def require_programs() -> None:
    """Raise `PrerequisiteError` naming the packages of the programs that the scripts lack here."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=search_path()) is None]
    if missing:
        packages = " ".join(dict.fromkeys(PROGRAMS[name] for name in missing))
        raise PrerequisiteError(
            f"missing to run the kernel's selftests: {', '.join(missing)}", hint=f"sudo apt-get install {packages}"
        )


def find(release: Release = DEFAULT, *, cache: Cache | None = None) -> Suite | None:
    """The suite that `prepare` would give, if it is in the cache and the source and the compiler are known."""
    store = cache or default_cache()
    try:
        suites = [_suite(store, each) for each in source.at_hand(store.downloads, release)]
    except PrerequisiteError:
        return None
    return next((suite for suite in suites if suite.folder.is_dir()), None)


def prepare(release: Release = DEFAULT, *, progress: Report = silent, cache: Cache | None = None) -> Suite:
    """The suite of the source that `testbed.kernel.build` uses for a release, out of the cache if it is there.

    Raises `PrerequisiteError`, and `KernelBuildError` with the compiler's complaint.
    """
    store = cache or default_cache()
    store.prepare()
    store.selftest_artifacts.remove_leftovers()
    wanted = source.at_hand(store.downloads, release)[0]
    suite = _suite(store, wanted)
    name = suite.folder.name
    with store.selftest_artifacts.lock(name, lambda: progress(Progress("wait"))):
        if suite.folder.is_dir():
            return suite
        toolchain.require(toolchain.BUILD_PROGRAMS)
        toolchain.require_libc_headers()
        with store.selftest_artifacts.building(name) as area:
            store.require_space(SPACE_FOR_SOURCE_BYTES)
            package = download.fetch(wanted, store.downloads, progress)
            progress(Progress("unpack"))
            unpack(package, area / "source")
            progress(Progress("helpers"))
            _build(area / "source", area)
            store.selftest_artifacts.publish(area / "whole", name)
    return suite


def lay_out(tree: Path, whole: Path) -> None:
    """Copy the scripts of a kernel tree, and what they source, to where a suite has them."""
    shutil.copytree(tree / _NET / "mptcp", whole / "mptcp")
    for path in (path for pattern in _SHARED for path in (tree / _NET).glob(pattern)):
        copy = whole / path.relative_to(tree / _NET)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


def _suite(store: Cache, wanted: DebianSource) -> Suite:
    name = hashlib.sha256(f"{wanted.identity}\n{toolchain.compiler()}".encode()).hexdigest()[:12]
    return Suite(store.selftest_artifacts.folder / name, wanted.identity)


def _build(tree: Path, area: Path) -> None:
    """Fill `area/whole` with the scripts and the helpers, built against the tree's own UAPI headers."""
    whole, headers = area / "whole", area / "headers"
    headers.mkdir()
    environment = toolchain.environment(os.environ)
    lay_out(tree, whole)
    # User-Mode Linux exports no headers; its programs are the host's, so the host's port has them.
    export: list[str | Path] = ["make", "-C", tree, "ARCH=x86_64", f"O={headers}", "headers"]
    include = f"KHDR_INCLUDES=-isystem {headers / 'usr' / 'include'}"
    compile_helpers: list[str | Path] = [
        "make",
        "-C",
        tree / _NET / "mptcp",
        f"OUTPUT={whole / 'mptcp'}",
        include,
        "all",
    ]
    for argv in (export, compile_helpers):
        try:
            run(argv, env=environment, timeout_s=_BUILD_LIMIT_S)
        except CommandError as error:
            raise KernelBuildError(f"the selftests' helpers cannot be built: {error.message}") from error
