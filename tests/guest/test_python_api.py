"""A small run by the Python API alone: planned, ended half-way, resumed, analysed again, verified."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import experiments
from experiments import api
from experiments.api.events import Event, PointFinished, PointPhase
from testbed.base.errors import RunInterrupted
from testbed.labs.base import Cancel

TINY = ('protocols=["mptcp"]', "workload.sizes=10 KB", "workload.total=1 MB")


def test_a_run_from_its_plan_to_its_figures(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    points = api.plan(["fig07"], seeds=[1, 2], overrides=TINY)
    assert [point.id for point in points] == ["fig07-paper-mptcp-10KB-seed1", "fig07-paper-mptcp-10KB-seed2"]
    heard: list[Event] = []
    cancel = Cancel()

    def enough(event: Event) -> None:
        heard.append(event)
        if isinstance(event, PointFinished):
            cancel.set("one is enough")

    with pytest.raises(RunInterrupted, match="one is enough; 1 of 2 points are kept"):
        api.run(points, out=tmp_path / "run", jobs=1, listen=enough, cancel=cancel)
    assert "running the workload" in [event.phase for event in heard if isinstance(event, PointPhase)]

    run = api.resume(tmp_path / "run", jobs=1)
    run.require_valid()
    assert [each.id for each in run.summaries] == [point.id for point in points]
    assert all(each.connections is not None and each.connections >= 100 for each in run.summaries)
    assert tmp_path / "run/figures/fig07.png" in run.files

    again = api.analyse(tmp_path / "run", out=tmp_path / "again")
    assert again.summaries == run.summaries
    assert all(again.tables[name].equals(table) for name, table in run.tables.items())

    verified = api.verify(tmp_path / "run", [points[0].id])
    assert [verdict.finding for verdict in verified.verdicts] == ["identical"]
    assert capfd.readouterr() == ("", "")


def test_the_program_on_the_page_does_what_it_says(tmp_path: Path) -> None:
    page = Path(experiments.__file__).parents[1] / "docs" / "python.md"
    (program,) = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "program.py").write_text(program)
    argv = [sys.executable, "program.py"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert sorted(said[:2]) == ["fig07-paper-mptcp-10KB-seed1 ok", "fig07-tcp-10KB-seed1 ok"]
    assert re.fullmatch(r"mptcp \d+ connections, \d+ Mbit/s", said[-2])
    assert re.fullmatch(r"\d+ rows in tiny/tables/connections.parquet", said[-1])
    assert (tmp_path / "tiny/tables/connections.parquet").is_file()
