"""A user's own figure: a file anywhere, drawn from a run's tables; what is wrong with it is a line with its name."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
import run_maker as runs
from table_maker import tables

import analysis
from analysis.figures import registry as registries
from analysis.figures.drawing import save
from analysis.figures.gallery import not_at_hand, of_all, of_experiments
from analysis.figures.registry import load_file, load_registry
from analysis.tables import write_tables
from experiments.cli import main
from testbed.base.errors import UsageError

MINE = """
from analysis.figures import Canvas, Data, Figure

def draw(canvas: Canvas, data: Data) -> bool:
    axes = canvas.subplots()
    sizes = data.tables["subflows"]["bytes_to_client"].to_pylist()
    axes.plot(sizes)
    axes.set_title(f"{len(data.points)} points, {sizes}")
    return bool(sizes)

FIGURE = Figure("mine", "bytes of each subflow", "run", draw, tables=("subflows",))
"""
SUBFLOWS = [
    {"point": "p", "connection": 0, "subflow": n, "bytes_to_client": 100 * n, "path": "director"} for n in (1, 2)
]

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def figures(capfd: pytest.CaptureFixture[str]) -> Cli:
    """`testbed figures` with these arguments: exit status, standard output and standard error."""

    def call(*args: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main.main(["figures", *map(str, args)])
        said = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return call


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    directory.mkdir()
    runs.write_json(directory / "run.json", {"version": 1, "state": "complete", "points": ["p"]})
    write_tables(directory, tables(subflows=SUBFLOWS))
    return directory


def test_a_file_anywhere_is_drawn_from_the_tables_beside_the_toolkits_own(figures: Cli, mine: Path, run: Path) -> None:
    assert figures(run, "--figure", mine)[0] == 0
    names = {path.name for path in (run / "figures").iterdir()}
    assert names >= {"fig14-mine.png", "fig14-mine.pdf", "fig14-mine.svg", "fig14-bytes.png"}
    svg = (run / "figures" / "fig14-mine.svg").read_text()
    assert "1 points, [100, 200]" in svg and "Downloads: bytes of each subflow" in svg
    assert figures(run, "--figure", mine, "--kind", "mine", "--out", run / "alone")[0] == 0
    assert {path.stem for path in (run / "alone").glob("*.*g")} == {"fig14-mine"}
    assert not (mine.parent / "__pycache__").exists()


def test_the_example_of_the_documentation_is_drawn(figures: Cli, run: Path, tmp_path: Path) -> None:
    blocks = (Path(analysis.__file__).parent / "README.md").read_text().split("```python\n")[1:]
    (example,) = [block.partition("```")[0] for block in blocks if "FIGURE = " in block]
    (tmp_path / "spread.py").write_text(example)
    assert figures(run, "--figure", tmp_path / "spread.py", "--kind", "spread")[::2] == (0, "")
    assert (run / "figures" / "fig14-spread.png").exists()


def test_the_list_has_every_figure_with_what_it_is_of(figures: Cli, mine: Path) -> None:
    lines = figures("--list", "--figure", mine)[1].splitlines()
    assert len(lines) == len(load_registry().figures) + 1
    found = {line.split()[0]: line.split()[1] for line in lines}
    assert found["timeline"] == "experiment" and found["sequence"] == "connection" and found["mine"] == "run"
    assert str(mine) in next(line for line in lines if line.startswith("mine"))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("def draw(canvas", "def draw(canvas:", "mine.py:4: "),
        ("canvas.subplots()", "canvas.subplot_s()", "mine.py:5: AttributeError: 'Figure' object has no attribute"),
        ('data.tables["subflows"]', 'data.tables["subflow"]', "mine.py:6: KeyError: 'subflow'"),
        ("from analysis.figures import", "from analysis.figure import", "mine.py:2: ModuleNotFoundError: "),
        ("import Canvas", "import Canvas, Canvass", "mine.py:2: ImportError: "),
        ("FIGURE =", "FIGUR =", "mine.py: FIGURE: it is not there"),
        ("FIGURE =", "FIGURE = 1 #", "mine.py: FIGURE: not a Figure"),
        (", data: Data", "", "mine.py:11: ValueError: draw: not a function of (canvas, data)"),
        ('"run"', '"runs"', "mine.py:11: ValueError: scope 'runs': one of experiment, run, point, connection"),
        ('("subflows",)', '("subflow",)', "mine.py:11: ValueError: tables: no table 'subflow'; "),
        ('"mine"', '"bytes"', "mine.py: there is a figure 'bytes' already, of the toolkit"),
        ("    return bool", "    raise SystemExit(3)\n    return bool", "mine.py:9: SystemExit: 3"),
        ("return bool(sizes)", "return False", "mine.py: the figure 'mine' had nothing to draw"),
        ("FIGURE", "raise SystemExit\nFIGURE", "mine.py:11: SystemExit"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_with_the_files_name(
    figures: Cli, mine: Path, run: Path, old: str, new: str, complaint: str
) -> None:
    assert old in MINE
    mine.write_text(MINE.replace(old, new, 1))
    status, _, said = figures(run, "--figure", mine, "--kind", "bytes")
    assert status == 2
    (line,) = said.splitlines()
    assert f"{mine.parent}/{complaint}" in line
    is_drawing = any(each in complaint for each in (":5:", ":6:", ":9:", "nothing to draw"))
    assert (run / "figures" / "fig14-bytes.png").exists() == is_drawing  # the others are drawn all the same


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no\.py: No such file or directory"):
        load_file(tmp_path / "no.py")
    with pytest.raises(UsageError, match=r"no package: it has no __init__\.py"):
        load_file(tmp_path)
    with pytest.raises(UsageError, match=r"mine\.txt: not a file of Python"):
        (tmp_path / "mine.txt").write_text(MINE)
        load_file(tmp_path / "mine.txt")


def test_a_file_is_read_once_and_run_once_whoever_asks_for_it(mine: Path, tmp_path: Path) -> None:
    mine.write_text(f"open({str(tmp_path / 'executed')!r}, 'a').write('x')\n{MINE}")
    assert load_file(mine).name == load_file(mine).name == "mine"
    assert load_registry([mine]).own == ("mine",)
    assert (tmp_path / "executed").read_text() == "x"
    mine.write_text(mine.read_text().replace('"mine"', '"other"'))
    assert load_file(mine).name == "other"


def test_nothing_in_a_run_directory_is_executed(mine: Path, run: Path, tmp_path: Path) -> None:
    inside = run / "points" / "p" / "mine.py"
    inside.parent.mkdir(parents=True)
    inside.write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\n" + MINE)
    (tmp_path / "link.py").symlink_to(inside)
    for path in (inside, tmp_path / "link.py"):
        with pytest.raises(UsageError, match=r"lies in the run directory .* from which nothing is executed"):
            load_file(path)
    assert not (tmp_path / "executed").exists()


def test_a_file_with_dataclasses_of_its_own_is_read(mine: Path) -> None:
    head = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass Look:\n    a: int\n"
    )
    mine.write_text(head + MINE)
    assert load_file(mine).name == "mine"


def test_a_file_may_not_import_the_one_beside_it(mine: Path) -> None:
    mine.with_name("beside_it.py").write_text("X = 1\n")
    mine.write_text("import beside_it\n" + MINE)
    with pytest.raises(UsageError, match=r"mine\.py:1: ModuleNotFoundError: No module named 'beside_it'"):
        load_file(mine)


def test_the_points_of_an_experiment_choose_their_figure_by_its_name(mine: Path, tmp_path: Path) -> None:
    mine.write_text(MINE.replace('"run"', '"experiment"').replace("len(data.points)", "len(data.summaries)"))
    points = [runs.page_size_summary("tcp", 10, 1.0, plot="mine"), runs.page_size_summary("tcp", 10, 1.0)]
    registry = load_registry([mine])
    assert not_at_hand(registry, points) == []
    chosen = [(each.name, each.figure.name, len(each.data.summaries)) for each in of_experiments(registry, points)]
    assert sorted(chosen) == [("fig07", "mine", 1), ("fig07-2", "page-size", 1)]
    drawn = save(of_all(registry, tables(subflows=SUBFLOWS), points), tmp_path / "figures")
    assert drawn.problems == [] and drawn.names >= {"mine", "page-size", "bytes"}


def test_a_plot_that_is_not_at_hand_is_named_and_costs_the_others_nothing() -> None:
    points = [runs.page_size_summary("tcp", 10, 1.0, plot="theirs"), runs.page_size_summary("tcp", 10, 1.0)]
    (line,) = not_at_hand(load_registry(), points)
    assert line.startswith(
        "fig07: 1 points have the plot 'theirs', a figure that is not at hand: name its file with --f"
    )
    assert [each.figure.name for each in of_experiments(load_registry(), points)] == ["page-size"]


def test_an_installed_package_brings_figures_and_a_broken_one_stops_nothing(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(mine.parent))
    group = registries.ENTRY_POINTS
    found = EntryPoints(
        EntryPoint(name, value, group)
        for name, value in (
            ("a", "mine:FIGURE"),
            ("b", "mine:draw"),
            ("c", "nothing_there:FIGURE"),
            ("d", "mine:FIGURE"),
        )
    )
    monkeypatch.setattr(registries, "entry_points", lambda group: found.select(group=group))
    registry = load_registry()
    assert registry.figures["mine"].source == "entry point a = mine:FIGURE"
    assert registry.problems == (
        "entry point b = mine:draw: not a Figure",
        "entry point c = nothing_there:FIGURE: ModuleNotFoundError: No module named 'nothing_there'",
        "entry point d = mine:FIGURE: there is a figure 'mine' already",
    )


def test_the_entry_point_of_a_package_on_the_path_is_found(mine: Path, tmp_path: Path) -> None:
    about = tmp_path / "mine-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[{registries.ENTRY_POINTS}]\nm = mine:FIGURE\n")
    script = "from analysis.figures.registry import load_registry; print(load_registry().figures['mine'].source)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout == "entry point m = mine:FIGURE\n"
