"""Tables and figures from Python: of a run, of captures, as Arrow and as pandas, and without either of the terminal."""

from __future__ import annotations

import gzip
import importlib
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from experiments import api
from testbed.base.errors import AnalysisError, PointsFailed, PrerequisiteError, UsageError

CHECKOUT = Path(__file__).resolve().parents[3]
CAPTURES = CHECKOUT / "tests/unit/analysis/data/captures"
POINT = "fig07-seed1"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one small point, analysed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(CHECKOUT / "tests/unit/analysis"))
        maker = importlib.import_module("run_maker")
    directory = tmp_path_factory.mktemp("results") / "run"
    maker.load_balancer_point(directory / "points" / POINT)
    maker.write_json(directory / "run.json", {"version": 1, "state": "complete", "points": [POINT]})
    api.analyse(directory, jobs=1)
    return directory


def test_every_function_has_its_place_and_a_line_in_the_documentation() -> None:
    page = (CHECKOUT / "docs" / "python.md").read_text(encoding="utf-8")
    for name in api.__all__:
        assert callable(getattr(api, name)), name
        assert f"`api.{name}" in page or name[0].isupper(), name
    assert set(api.__all__) <= set(dir(api))
    with pytest.raises(AttributeError, match="no attribute 'explain'"):
        api.explain  # noqa: B018


def test_nothing_of_the_command_line_is_imported() -> None:
    program = (
        "import sys; from experiments import api; [getattr(api, each) for each in api.__all__]; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    read = set(done.stdout.split())
    assert "experiments.api.runs" in read
    assert not {name for name in read if name.partition(".")[0] in ("click", "rich") or name == "experiments.cli"}


def test_what_an_analysis_has_left_is_read_again(run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    found = api.read(run)
    assert [each.id for each in found.summaries] == [POINT] and found.invalid() == {}
    assert found.table("connections").num_rows == 2
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    with pytest.raises(AnalysisError, match="no such file"):
        api.read(run / "points")


def test_rows_are_asked_for_by_their_columns(run: Path) -> None:
    found = api.read(run)
    subflows = found.table("subflows", point=POINT, connection=1)
    assert isinstance(subflows, pa.Table) and set(subflows["connection"].to_pylist()) == {1}
    assert 0 < subflows.num_rows < found.table("subflows").num_rows
    assert found.table("subflows", point="another").num_rows == 0
    for wrong, complaint in (
        (lambda: found.table("subflow"), r"no table 'subflow' \(did you mean subflows\?\)"),
        (lambda: found.table("subflows", conection=1), r"no column 'conection' \(did you mean connection\?\)"),
        (lambda: found.table("subflows", connection="first"), "the column 'connection' of 'subflows' is int"),
    ):
        with pytest.raises(UsageError, match=complaint):
            wrong()


def test_a_frame_has_the_same_rows_and_takes_pandas(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = api.read(run)
    frame = found.frame("connections", point=POINT)
    assert list(frame.columns) == found.table("connections").column_names
    assert frame["bytes_to_client"].tolist() == found.table("connections")["bytes_to_client"].to_pylist()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(PrerequisiteError, match=r"a data frame needs the Python package pandas.*\[pandas\]"):
        found.frame("connections")


def test_a_point_is_drawn_without_a_file(run: Path) -> None:
    before = sorted(run.rglob("*"))
    (picture,) = api.draw(run, kinds=["sequence"], point=POINT, connection=1)
    assert (picture.kind, picture.name) == ("sequence", f"{POINT}-sequence-1") and "connection 1" in picture.title
    assert picture.png.startswith(b"\x89PNG") and picture._repr_png_() == picture.png
    assert picture.pdf.startswith(b"%PDF") and b"<svg" in picture.svg
    assert {each.kind for each in api.draw(run)} >= {"page-size", "bytes"}
    assert sorted(run.rglob("*")) == before


@pytest.mark.parametrize(
    ("asked", "wrong", "complaint"),
    [
        ({"kinds": ["sequenze"]}, UsageError, "no figure 'sequenze'.*did you mean sequence"),
        ({"kinds": ["sequence"]}, UsageError, "of which point"),
        ({"point": "fig99"}, AnalysisError, "no point 'fig99'.*the points are: fig07-seed1"),
        ({"point": POINT, "connection": 7}, AnalysisError, "no connection 7"),
    ],
)
def test_a_figure_that_cannot_be_is_refused(
    run: Path, asked: dict[str, object], wrong: type[Exception], complaint: str
) -> None:
    with pytest.raises(wrong, match=complaint):
        api.draw(run, **asked)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="not a run directory"):
        api.draw(run / "points")


def test_captures_have_the_tables_of_a_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capture = CAPTURES / "announced.pcap.gz"
    found = api.analyse_captures([capture], packets=True, out=tmp_path)
    assert found.table("connections").num_rows == 1 and found.table("packets").num_rows > 50
    assert list(found.names["unique"]) == ["10.9.1.2", "10.9.1.22"]
    assert tmp_path / "tables" / "packets.parquet" in found.files and all(path.is_file() for path in found.files)
    found.require_whole()
    assert capfd.readouterr() == ("", "")
    with pytest.raises(UsageError, match="not an address and a port"):
        api.analyse_captures([capture], service="10.9.0.2")


def test_a_capture_that_ends_early_is_an_error_only_if_asked_for(tmp_path: Path) -> None:
    (cut := tmp_path / "cut.pcap").write_bytes(gzip.decompress((CAPTURES / "announced.pcap.gz").read_bytes())[:-7])
    found = api.analyse_captures([cut])
    assert found.table("connections").num_rows == 1 and len(found.warnings) == 1
    with pytest.raises(PointsFailed, match=r"not whole: .*cut\.pcap"):
        found.require_whole()
