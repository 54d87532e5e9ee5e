"""The pictures of a report: those that several processes draw are those that one draws."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import run_maker as runs

from analysis.figures.drawing import Drawing, Kept, save
from analysis.figures.gallery import of_all, of_run, tables_of_a_run
from analysis.figures.registry import Registry, load_registry
from analysis.report import compile_report, pictures, read_run, render_page
from analysis.report.pictures import Pictures, of_drawn, picture
from analysis.summary.model import PointSummary
from analysis.summary.of_run import analyse_run_fully, stack, write_summary
from analysis.summary.workers import Workers
from analysis.tables import TABLES, read_table, write_tables
from testbed.process import wait_until

OWN = """
from analysis.figures import Canvas, Data, Figure

def draw(canvas: Canvas, data: Data) -> bool:
    canvas.subplots().plot([1, 2])
    if data.points[0]["protocol"] == "mptcp":
        raise ValueError("not of this protocol")
    return True

FIGURE = Figure("mine", "something of my own", "run", draw)
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    path = tmp_path_factory.mktemp("own") / "mine.py"
    path.write_text(OWN)
    return load_registry([path])


@pytest.fixture(scope="module")
def analysed_run(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> tuple[Path, list[Kept]]:
    """A run, and what its analysis has drawn for its report."""
    directory = tmp_path_factory.mktemp("pictures") / "run"
    runs.load_balancer_point(directory / "points" / "a-mptcp")
    runs.load_balancer_point(directory / "points" / "b-tcp", protocol="tcp", experiment="mine", figure="")
    runs.anycast_point(directory / "points" / "c-anycast")
    runs.write_json(directory / "run.json", {"version": 1, "state": "finished", "points": ["a-mptcp"]})
    analysed = analyse_run_fully(directory, 1, registry.drawn_of_waits)
    summaries, tables = [each.summary for each in analysed], stack(analysed)
    write_tables(directory, tables)
    write_summary(directory, summaries)
    drawn = save(of_all(registry, tables, summaries), directory / "figures", keep=of_drawn)
    return directory, drawn.kept


@pytest.fixture(scope="module")
def run(analysed_run: tuple[Path, list[Kept]]) -> Path:
    return analysed_run[0]


@pytest.fixture(scope="module")
def kept(analysed_run: tuple[Path, list[Kept]]) -> list[Kept]:
    return analysed_run[1]


@pytest.fixture(scope="module")
def page(run: Path, registry: Registry) -> str:
    """The report of one process."""
    return render_page(compile_report([read_run(run)], registry))


class Counting(Workers):
    """Counts what the processes are asked for."""

    asked = 0

    def submit(self, work: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        type(self).asked += 1
        return super().submit(work, *args, **kwargs)


class Dying(Counting):
    """Each of the processes is killed over its work."""

    def submit(self, work: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(os._exit, 9)


@pytest.mark.parametrize("workers", [Counting, Dying])
def test_a_report_of_several_processes_is_that_of_one(
    monkeypatch: pytest.MonkeyPatch, run: Path, registry: Registry, page: str, workers: type[Counting]
) -> None:
    monkeypatch.setattr(pictures, "_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(pictures, "Workers", workers)
    # This process begins when one of the others has begun, however long it takes to start.
    monkeypatch.setattr(Pictures, "_finish", waiting_for(workers, Pictures._finish))
    assert render_page(compile_report([read_run(run)], registry, jobs=3)) == page
    assert workers.asked > 0
    assert page.count("ValueError: not of this protocol") == 1 and "something of my own" in page


def waiting_for(workers: type[Counting], finish: Any) -> Any:
    def waited(self: Pictures) -> None:
        wait_until(lambda: workers.asked > 0, "a drawing for another process", timeout_s=30)
        finish(self)

    return waited


def test_a_few_pictures_are_worth_no_process(monkeypatch: pytest.MonkeyPatch, run: Path, registry: Registry) -> None:
    tables = {name: read_table(run, name) for name in tables_of_a_run(registry)}
    drawings = list(of_run(registry, tables, {"bytes"}))
    monkeypatch.setattr(Workers, "submit", None)
    with Pictures(drawings[:1], jobs=8) as drawn:
        assert drawn.of(drawings[0])


def drawn_again(
    monkeypatch: pytest.MonkeyPatch, run: Path, registry: Registry, kept: list[Kept]
) -> tuple[list[str], str]:
    """The titles of what the report draws itself, and the page."""
    titles = []

    def counted(drawing: Drawing) -> bytes | None:
        titles.append(drawing.title)
        return picture(drawing)

    with monkeypatch.context() as patched:
        patched.setattr(pictures, "picture", counted)
        return titles, render_page(compile_report([read_run(run)], registry, drawn=kept))


def test_what_the_analysis_has_drawn_is_not_drawn_again(
    monkeypatch: pytest.MonkeyPatch, run: Path, registry: Registry, page: str, kept: list[Kept]
) -> None:
    assert {each.figure.scope for each, _ in kept} == {"experiment", "run"}
    again, given = drawn_again(monkeypatch, run, registry, kept)
    assert again == [title for title in again if "something of my own" in title]  # not the toolkit's own
    assert given == page


def reseeded(points: Sequence[PointSummary]) -> list[PointSummary]:
    return [replace(point, seed=9) for point in points]


@pytest.mark.parametrize(
    "change",
    [
        lambda each: replace(each, title=f"{each.title} (run)"),
        lambda each: replace(each, figure=replace(each.figure, description="another")),
        lambda each: replace(each, data=replace(each.data, summaries=[*each.data.summaries, *each.data.summaries])),
        lambda each: replace(each, data=replace(each.data, siblings=each.data.siblings[1:])),
        lambda each: replace(each, data=replace(each.data, points=[{}, *each.data.points])),
        lambda each: replace(each, data=replace(each.data, summaries=reseeded(each.data.summaries))),
        lambda each: replace(each, data=replace(each.data, tables={"resets": TABLES["resets"].of_rows([{}])})),
    ],
)  # fmt: skip
def test_what_differs_in_anything_that_is_drawn_is_drawn_again(
    monkeypatch: pytest.MonkeyPatch,
    run: Path,
    registry: Registry,
    page: str,
    kept: list[Kept],
    change: Callable[[Drawing], Drawing],
) -> None:
    others: list[Kept] = [(change(each), b"not this one") for each, _ in kept]
    again, given = drawn_again(monkeypatch, run, registry, others)
    assert set(again) >= {each.title for each, _ in kept} and given == page
