"""Points that keep their tables alone: wherever the run is killed meanwhile, nothing of them is lost."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from analysis.summary.kept import FOLDER, read_kept
from experiments import api
from experiments.api.unkept_captures import remove_unkept

CHECKOUT = Path(__file__).resolve().parents[3]
POINT = "fig07-seed1"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of one valid point that wants to keep its tables alone, not analysed yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(CHECKOUT / "tests/unit/analysis"))
        maker = importlib.import_module("run_maker")
    directory = tmp_path / "run"
    maker.load_balancer_point(directory / "points" / POINT, capture="tables")
    files = sorted(path.name for path in (directory / "points" / POINT).iterdir())
    outcome = {"status": "ok", "error": "", "wall_s": 1.0, "virtual_s": 1.0, "files": [*files, "outcome.json"]}
    (directory / "points" / POINT / "outcome.json").write_text(json.dumps(outcome))
    maker.write_json(directory / "run.json", {"version": 1, "state": "complete", "points": [POINT]})
    return directory


def captures(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "points" / POINT).glob("*.pcap"))


def files(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run / "tables").iterdir()} | {
        "summary.json": (run / "summary.json").read_bytes()
    }


def test_the_captures_go_and_the_analysis_stays_the_same(run: Path) -> None:
    assert remove_unkept(api.analyse(run, jobs=1)) == 1
    assert captures(run) == []
    first = files(run)
    found = api.analyse(run, jobs=1)
    assert found.summaries[0].valid and files(run) == first
    assert remove_unkept(found) == 0


def test_a_point_whose_analysis_is_there_in_part_is_analysed_from_its_captures(run: Path) -> None:
    point = run / "points" / POINT
    before = {name: (point / name).read_bytes() for name in captures(run)}
    remove_unkept(api.analyse(run, jobs=1))
    whole = files(run)
    (point / FOLDER / "summary.json").unlink()  # the last one to be written
    for name, content in before.items():
        (point / name).write_bytes(content)
    assert read_kept(point) is None
    found = api.analyse(run, jobs=1)
    assert found.summaries[0].valid and files(run) == whole
    assert remove_unkept(found) == 1
    assert captures(run) == [] and read_kept(point) is not None


def test_captures_that_were_left_when_it_was_killed_go_with_the_next_run(run: Path) -> None:
    kept = captures(run)
    copies = {name: (run / "points" / POINT / name).read_bytes() for name in kept}
    remove_unkept(api.analyse(run, jobs=1))
    (run / "points" / POINT / kept[1]).write_bytes(copies[kept[1]])
    found = api.analyse(run, jobs=1)
    assert found.summaries[0].valid
    assert remove_unkept(found) == 1
    assert captures(run) == []
