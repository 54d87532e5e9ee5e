"""The wheel in an environment of its own: it is whole, its base is the analyser, and it minds no directory's names."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import installed
import pytest
from installed import CHECKOUT, PACKAGES, Environment

from experiments.cli import main
from testbed.base.errors import EXIT_PREREQUISITE
from testbed.runs.toolkit_identity import toolkit_sha256

Analyze = Callable[..., tuple[int, str, str]]
CAPTURES = CHECKOUT / "tests/unit/analysis/data/captures"
STRANGER = "from pathlib import Path\nPath({mark!r}).touch()\nraise ImportError('this is the user\\'s own')\n"

RECIPES = """
from testbed.kernel.flavour import FLAVOURS
from testbed.kernel.recipe import read_recipe
from testbed.kernel.release import RELEASES
from testbed.kernel.source import DebianSource
for release in RELEASES.values():
    for flavour in FLAVOURS.values():
        recipe = read_recipe(DebianSource(release.lock().version, release), patches=None, flavour=flavour)
        print(release.name, flavour.name, len(recipe.patches), len(recipe.settings), recipe.id)
"""


WITHOUT_LINUX = """
import os, select, signal, socket, sys

for module, names in {
    os: "sched_getaffinity sched_setaffinity pidfd_open memfd_create eventfd setns unshare splice copy_file_range "
    "getrandom pipe2 posix_fadvise O_PATH O_TMPFILE O_DIRECT",
    signal: "pidfd_send_signal SIGRTMIN sigtimedwait",
    select: "epoll",
    socket: "AF_NETLINK AF_PACKET",
}.items():
    for name in names.split():
        vars(module).pop(name, None)
sys.platform = "darwin"
"""


@pytest.fixture
def analyze(capfd: pytest.CaptureFixture[str]) -> Analyze:
    """`testbed analyze` of the checkout: exit status, standard output and standard error."""

    def run(*args: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main.main(["analyze", *map(str, args)])
        said = capfd.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Makes a finished run of two points."""
    monkeypatch.syspath_prepend(str(CHECKOUT / "tests/unit/analysis"))
    maker = importlib.import_module("run_maker")

    def make(run: Path) -> None:
        names = [f"size{number}" for number in range(2)]
        for name in names:
            maker.load_balancer_point(run / "points" / name)
        maker.write_json(run / "run.json", {"version": 1, "state": "complete", "points": names})

    return make


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed.build(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel's base, with a user who has an `analysis/`, an `experiments/` and a `testbed.py`."""
    cwd = tmp_path_factory.mktemp("user")
    text = STRANGER.format(mark=str(cwd / "imported"))
    for name in ("analysis", "experiments"):
        (cwd / name).mkdir()
        (cwd / name / "__init__.py").write_text(text)
    for name in ("testbed.py", "topologies.py"):
        (cwd / name).write_text(text)
    return Environment(installed.install(wheel, tmp_path_factory.mktemp("bare") / "env"), cwd)


def test_every_file_of_the_toolkit_is_in_the_wheel(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--", *PACKAGES, "kernel-patches"],
        cwd=CHECKOUT, capture_output=True, text=True, check=True,
    ).stdout.rstrip("\0").split("\0")  # fmt: skip
    tracked = {name for name in listed if (CHECKOUT / name).is_file() and name != "analysis/README.md"}
    there = set(zipfile.ZipFile(wheel).namelist())
    wanted = {name.replace("kernel-patches/", "testbed/kernel_patches/") for name in tracked}
    assert "testbed/kernel_patches/6.12/series" in wanted and "experiments/fig07.toml" in wanted
    assert wanted - there == set()


def test_a_manual_page_and_completion_come_with_it(bare: Environment) -> None:
    share = bare.folder / "share"
    assert (share / "man/man1/testbed-analyze.1").read_text().startswith('.TH "TESTBED ANALYZE"')
    assert len(list((share / "man/man1").glob("testbed*.1"))) > 30
    for name in ("bash-completion/completions/testbed", "zsh/site-functions/_testbed"):
        assert "_TESTBED_COMPLETE=" in (share / name).read_text()
    assert (share / "fish/vendor_completions.d/testbed.fish").is_file()


def test_what_is_installed_is_the_same_toolkit(bare: Environment) -> None:
    """Its points have the same identity: a run of the checkout can be repeated with it."""
    assert (bare.packages / "testbed" / "kernel_patches" / "6.12" / "series").is_file()
    assert toolkit_sha256(bare.packages) == toolkit_sha256()


def test_the_kernel_that_it_would_build_is_the_checkouts(bare: Environment, tmp_path: Path) -> None:
    (program := tmp_path / "recipes.py").write_text(RECIPES)
    theirs = bare.run("python", program)
    ours = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (theirs.returncode, theirs.stderr) == (0, "")
    assert theirs.stdout == ours.stdout
    recipes = [line.split() for line in theirs.stdout.splitlines()]
    assert len(recipes) >= 4 and all(int(patches) > 5 < int(settings) for _, _, patches, settings, _ in recipes)
    built = bare.run("testbed", "kernel", "path")
    assert built.returncode in (0, EXIT_PREREQUISITE), built.stderr
    assert built.stdout or "is not built (run: testbed kernel build)" in built.stderr


def test_captures_are_analysed_by_the_base_alone(bare: Environment, analyze: Analyze) -> None:
    others = ("mininet", "pyroute2", "paramiko", "qemu", "pytest")
    found = bare.run("python", "-c", f"from importlib.util import find_spec; print(*map(find_spec, {others}))").stdout
    assert found.split() == ["None"] * len(others)
    capture = CAPTURES / "announced.pcap.gz"
    theirs = bare.run("testbed", "analyze", capture)
    assert (theirs.returncode, theirs.stdout, theirs.stderr) == analyze(capture)
    assert "unique: 10.9.1.2" in theirs.stdout
    assert not (bare.cwd / "imported").exists()


@pytest.mark.parametrize("system", ["this", "elsewhere"])
def test_a_run_is_analysed_in_processes_that_share_its_points(
    bare: Environment, points: Callable[[Path], None], tmp_path: Path, system: str
) -> None:
    """Each of them imports the toolkit, and none what the user's directory has by the same names.

    And each does without what Linux alone has: elsewhere it is missing from the start, in the workers too.
    """
    if system == "elsewhere":
        (bare.packages / "sitecustomize.py").write_text(WITHOUT_LINUX)
    run, out = tmp_path / "run", tmp_path / "out"
    points(run)
    done = bare.run("testbed", "analyze", run, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 points, all valid" in done.stdout
    assert (out / "tables" / "connections.parquet").is_file() and list((out / "figures").glob("*.png"))
    assert not (bare.cwd / "imported").exists()
    (bare.packages / "sitecustomize.py").unlink(missing_ok=True)


def test_what_needs_an_extra_names_it_in_one_line(bare: Environment) -> None:
    for words in (["run", "fig07", "--dry-run"], ["list"], ["show", "fig13"], ["path-manager", "--help"]):
        done = bare.run("testbed", *words)
        assert (done.returncode, done.stdout) == (EXIT_PREREQUISITE, "")
        assert re.fullmatch(
            rf"testbed: error: testbed {words[0]} needs the Python package (mininet|pyroute2), which is not installed "
            r"\(install this with pip or pipx, into the same environment: 'mptcp-lb-testbed\[lab\]'\)\n",
            done.stderr,
        ), done.stderr
    asked = "os.environ.update(COMP_WORDS='testbed run fig', COMP_CWORD='2', _TESTBED_COMPLETE='bash_complete')"
    typed = bare.run("python", "-Pc", f"import os\n{asked}\nfrom experiments.cli.main import main\nmain([])")
    assert (typed.stdout.strip(), typed.stderr) == ("", "")
    program = "from experiments import api\napi.analyse\napi.plan"
    assert (
        "PrerequisiteError: experiments.api.plan needs the Python package" in bare.run("python", "-Pc", program).stderr
    )


def test_what_comes_with_the_base_needs_no_extra(bare: Environment) -> None:
    for name in ("analyze", "figures", "report", "export", "diff", "results", "kernel"):
        done = bare.run("testbed", name, "--help")
        assert (done.returncode, done.stderr) == (0, ""), name
    listed = bare.run("testbed", "--help")
    assert (listed.returncode, listed.stderr) == (0, "") and "count-instructions" in listed.stdout
    assert bare.run("python", "-P", "-m", "experiments", "--version").stdout == "testbed, version 0.1.0\n"
    assert not (bare.cwd / "imported").exists()


def test_help_reads_no_more_than_it_needs(bare: Environment) -> None:
    """That is what takes time: with numpy or pydantic it would be three times as long."""
    program = """
import contextlib, sys
from experiments.cli import main
with contextlib.suppress(SystemExit):
    main.main(["analyze", "--help"])
print(*sys.modules, file=sys.stderr)
"""
    done = bare.run("python", "-Pc", program)
    read = done.stderr.split()
    assert done.stdout.startswith("Usage: testbed analyze ") and "experiments.cli.analyze" in read
    assert not {name.partition(".")[0] for name in read} & {"numpy", "pyarrow", "pydantic", "matplotlib", "jinja2"}
    assert len([name for name in read if name.startswith(("testbed.", "analysis.", "experiments."))]) < 20
