"""`testbed figures` and the files of figures: of captures, of a run, of a point."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest
import run_maker as runs
from figure_maker import draw_point, draw_run

from analysis.summary.of_captures import analyse_captures
from analysis.summary.of_point import connection_packets
from analysis.summary.of_run import analyse_run_fully, stack
from analysis.tables import write_tables
from experiments.cli import main
from testbed.base.errors import AnalysisError

DATA = Path(__file__).with_name("data")


def test_a_capture_of_linux_gives_every_figure_as_png_pdf_and_svg(tmp_path: Path) -> None:
    for name in ("c-eth0", "c-eth1"):
        (tmp_path / f"{name}.pcap").write_bytes(gzip.decompress((DATA / f"mptcp-{name}.pcap.gz").read_bytes()))
    found = analyse_captures([tmp_path / "c-eth0.pcap", tmp_path / "c-eth1.pcap"])
    written = draw_run(found.tables, tmp_path / "figures")
    assert {path.name for path in written} >= {"captures-bytes.png", "captures-join-delay.pdf", "captures-paths.svg"}
    assert all(path.stat().st_size > 1000 for path in written)
    before = {path: path.read_bytes() for path in written}
    draw_run(found.tables, tmp_path / "figures")
    assert {path: path.read_bytes() for path in written} == before


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    runs.load_balancer_point(directory / "points" / "one")
    runs.write_json(directory / "run.json", {"version": 1, "state": "complete", "points": ["one"]})
    write_tables(directory, stack(analyse_run_fully(directory)))
    return directory


def test_a_point_is_drawn_closely(run: Path) -> None:
    found = stack(analyse_run_fully(run))
    point = found["points"]["point"][0].as_py()
    written = draw_point(
        found, point, run / "close", None, 0, lambda number: connection_packets(run / "points" / "one", number)
    )
    kinds = {path.stem.removeprefix(f"{point}-") for path in written}
    assert {"bytes", "subflows", "sequence-0"} <= kinds
    with pytest.raises(AnalysisError, match="no connection 99"):
        draw_point(found, point, run / "close", None, 99)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--kind", "sequence"], "--kind sequence: of which point? (name it with --point"),
        (["--connection", "1"], "--connection: of which point?"),
        (["--point", "nobody"], "no point 'nobody' (the points are: "),
    ],
)
def test_bad_input_is_one_line(
    run: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["figures", str(run), *arguments])
    said = capfd.readouterr().err
    assert (ended.value.code, said.count("\n")) == (2, 1)
    assert complaint in said


def test_a_run_without_tables_names_the_cure(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(run / "tables")
    with pytest.raises(SystemExit) as ended:
        main.main(["figures", str(run)])
    said = capfd.readouterr().err
    assert (ended.value.code, said.count("\n")) == (2, 1)
    assert "there is no such table" in said and f"testbed analyze {run}" in said
