"""`testbed verify`, with a lab that writes what it is told to in place of running a guest."""

from __future__ import annotations

import contextlib
import json
import platform
import shutil
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments import api
from experiments.api import verification
from experiments.cli import main
from testbed.base.needs import Need
from testbed.labs import catalog
from testbed.labs.base import HERE, Cancel, Clock, Job, JobResult, Sink, discard

Says = tuple[int, str, str]
POINT_ID = "fig07-paper-mptcp-1000KB-seed1"


class Lab:
    """Leaves `ab.txt` with the text `prints`, and says that kernel `kernel` did it."""

    name = "scripted"
    machine = HERE
    clocks: tuple[Clock, ...] = ("virtual", "real")
    width = 2

    def __init__(self) -> None:
        self.prints = "same\n"
        self.status = 0
        self.kernel = "k1"
        self.seeds: list[int] = []

    def facts(self) -> dict[str, Any]:
        return {}

    def require(self, needs: Collection[Need], cancel: Cancel | None = None) -> None:
        pass

    def run(
        self, job: Job, *, stdout: Sink = discard, stderr: Sink = discard, cancel: Cancel | None = None
    ) -> JobResult:
        (job.output / "ab.txt").write_text(self.prints)
        self.seeds.append(job.seed)
        stderr(b"ab: gone\n")
        return JobResult(self.status, 1.0, 2.0, (), self.kernel)


class Cache:
    def load(self, name: str) -> object | None:
        return SimpleNamespace(id=name) if name == "k1" else None


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    made = Lab()
    monkeypatch.setattr(catalog, "open_lab", lambda *_: contextlib.nullcontext(made))
    monkeypatch.setattr(verification, "default_cache", Cache)
    return made


@pytest.fixture
def testbed(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Says]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()

    def run(*args: str) -> Says:
        with pytest.raises(SystemExit) as ended:
            main.main(list(args))
        said = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return run


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one virtual point and, for its seed 2, another, which nobody changes."""
    out = tmp_path_factory.mktemp("verified") / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "open_lab", lambda *_: contextlib.nullcontext(Lab()))
        points = api.plan(["7"], seeds=[1, 2], overrides=["workload.sizes=1000 KB", 'protocols=["mptcp"]'])
        api.run(points, out=out, jobs=1)
    assert json.loads((out / "points" / POINT_ID / "digests.json").read_text())["kernel"] == "k1"
    return out


@pytest.fixture
def made(lab: Lab, testbed: Callable[..., Says], original: Path) -> Path:
    """That run as `r` in the directory of the test."""
    return shutil.copytree(original, Path("r"))


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_the_same_bytes_are_identical_and_nothing_is_left(lab: Lab, testbed: Callable[..., Says], made: Path) -> None:
    status, out, _ = testbed("verify", "r")
    assert status == 0
    assert f"identical     {POINT_ID}  2 files, 1.0 s" in out
    assert "all 2 points are identical" in out
    assert sorted(lab.seeds) == [1, 2]
    assert list(Path("tmp").iterdir()) == []
    assert sorted(Path().iterdir()) == [Path("r"), Path("tmp")]


def test_other_bytes_differ_by_name_and_can_be_kept(lab: Lab, testbed: Callable[..., Says], made: Path) -> None:
    lab.prints = "other\n"
    status, out, err = testbed("verify", "r", POINT_ID, "--keep", "kept")
    assert status == 6
    assert out == f"differs       {POINT_ID}  in ab.txt, 1.0 s\n"
    assert "testbed diff r kept" in err
    assert Path("kept", "points", POINT_ID, "ab.txt").read_text() == "other\n"
    assert lab.seeds == [1]


def test_a_point_that_fails_the_second_time_cannot_be_compared(
    lab: Lab, testbed: Callable[..., Says], made: Path
) -> None:
    lab.status = 3
    status, out, _ = testbed("verify", "r", POINT_ID)
    assert status == 6
    assert f"not compared  {POINT_ID}  this time it failed: ended with status 3: ab: gone" in out


def test_another_kernel_cannot_be_compared(lab: Lab, testbed: Callable[..., Says], made: Path) -> None:
    change(made / "points" / POINT_ID / "digests.json", kernel="k0")
    status, out, err = testbed("verify", "r")
    assert status == 6
    assert f"not compared  {POINT_ID}  another kernel build made it: k0, not in the cache" in out
    assert "1 of 2 points could not be compared" in err
    assert lab.seeds == [2]


def test_points_without_digests_or_a_good_end_cannot_be_compared(
    lab: Lab, testbed: Callable[..., Says], made: Path
) -> None:
    (made / "points" / POINT_ID / "digests.json").unlink()
    change(made / "points" / POINT_ID.replace("seed1", "seed2") / "outcome.json", status="failed")
    status, out, _ = testbed("verify", "r")
    assert status == 6
    assert "it has no digests.json" in out
    assert "it did not come to a good end" in out
    assert lab.seeds == []


def test_real_time_is_refused_by_name_and_skipped_in_a_run(lab: Lab, testbed: Callable[..., Says], made: Path) -> None:
    plan = json.loads((made / "run.json").read_text())["plan"]
    plan[0]["clock"] = "real"
    change(made / "run.json", plan=plan)
    status, _, err = testbed("verify", "r", POINT_ID)
    assert (status, err.count("\n")) == (2, 1)
    assert "it ran in real time, which never repeats itself" in err
    status, out, _ = testbed("verify", "r")
    assert status == 0
    assert f"skipped       {POINT_ID}  it ran in real time" in out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["r", "nonsense"], "no point 'nonsense'"),
        (["nowhere"], "not a run directory"),
        (["r", "--keep", "r"], "not empty"),
    ],
)
def test_a_mistake_is_one_line(
    lab: Lab, testbed: Callable[..., Says], made: Path, args: list[str], message: str
) -> None:
    status, out, err = testbed("verify", *args)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert lab.seeds == []


def test_a_run_of_other_code_of_the_toolkit_is_noted(lab: Lab, testbed: Callable[..., Says], made: Path) -> None:
    assert "code" not in testbed("verify", "r")[2]
    change(made / "run.json", sources="0" * 64)
    status, _, err = testbed("verify", "r")
    assert status == 0
    assert "note: the toolkit's own code is not the run's" in err


def test_where_bytes_differ_the_tools_that_are_not_the_same_are_named(
    lab: Lab, testbed: Callable[..., Says], made: Path
) -> None:
    before = json.loads((made / "run.json").read_text())
    was = {**before["tools"], "lighttpd": "0.1-1", "apache2-utils": "2.4\x1b[1m"}
    change(made / "run.json", tools=was, host={**before["host"], "python": "3.0.1"})
    lab.prints = "other\n"
    status, _, err = testbed("verify", "r", POINT_ID)
    verdict = err.splitlines()[-1]
    assert status == 6
    assert "lighttpd was 0.1-1, now it is " in verdict
    assert "apache2-utils was 2.4\\x1b[1m, now it is " in verdict
    assert f"Python was 3.0.1, now it is {platform.python_version()}" in verdict
    assert "ethtool" not in verdict


def test_the_same_tools_are_not_blamed(lab: Lab, testbed: Callable[..., Says], made: Path) -> None:
    lab.prints = "other\n"
    assert " was " not in testbed("verify", "r")[2]


@pytest.mark.parametrize("tools", [None, {}, {"elsewhere": 1}])
def test_a_manifest_that_does_not_say_which_tools_blames_none(
    lab: Lab, testbed: Callable[..., Says], made: Path, tools: object
) -> None:
    change(made / "run.json", tools=tools, host=None)
    status, _, err = testbed("verify", "r")
    assert (status, err) == (0, "")
