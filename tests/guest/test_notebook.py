"""The notebook of the documentation: every cell runs, and it comes to the explanation that the page has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs" / "from-experiment-to-explanation.ipynb"
CODE_CELLS = 6
SENTENCE = re.compile(r"takes (\d+) ms more; (\d+) ms because .*\nand (\d+) ms because .*: (\d+) % of it")


def code_of(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def explanation(notebook: Any) -> list[int]:
    """The numbers of its last sentence: milliseconds, and per cent."""
    found = SENTENCE.search(code_of(notebook)[-1].outputs[0]["text"])
    assert found is not None
    return [int(each) for each in found.groups()]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("notebook") / "ran.ipynb"
    done = subprocess.run(
        [sys.executable, CHECKOUT / ".ci" / "notebook", out], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return nbformat.read(out, as_version=4)


def test_every_cell_runs_and_two_pages_are_drawn(ran: Any) -> None:
    cells = code_of(ran)
    assert len(cells) == CODE_CELLS and [cell.execution_count for cell in cells] == [*range(1, CODE_CELLS + 1)]
    kinds = [output.output_type for cell in cells for output in cell.outputs]
    assert "error" not in kinds
    pictures = [output for cell in cells for output in cell.outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 2
    assert "fig09-upstream-mptcp-2000KB-seed1" in cells[0].outputs[0]["text"]
    assert "2 points, all valid" in cells[1].outputs[0]["text"]


def test_the_explanation_accounts_for_the_difference_as_on_the_page(ran: Any) -> None:
    more_ms, later_ms, waited_ms, share = explanation(ran)
    assert 300 < more_ms < 500 and waited_ms > later_ms and 90 <= share <= 110
    # Where the checkout lies shifts a point by microseconds.
    page = nbformat.read(PAGE, as_version=4)
    assert explanation(page) == pytest.approx([more_ms, later_ms, waited_ms, share], abs=5)
    assert [cell.source for cell in page.cells] == [cell.source for cell in ran.cells]
