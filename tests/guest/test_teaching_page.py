"""The page for teachers says what is so: its exercise, unsolved and solved, gets the marks that it names.

The solution in `make test`; what students get, as a run, with TESTBED_TEST_COMBINATIONS=all, as in `make test-all`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from extent import in_test_all

from experiments import api
from experiments.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "teaching.md"


@pytest.fixture
def graded(lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[Path], str]:
    """What `testbed grade` says of a work by the page's claims; the page's two experiments are beside them."""
    given, solution, claims = (
        block.partition("```")[0] for block in PAGE.read_text(encoding="utf-8").split("```toml\n")[1:]
    )
    (tmp_path / "claims.toml").write_text(claims)
    (tmp_path / "lab.toml").write_text(given)
    (tmp_path / "solved.toml").write_text(given.partition("[mptcp]")[0] + solution)

    def grade(work: Path) -> str:
        with pytest.raises(SystemExit) as ended:
            main.main(["grade", str(tmp_path / "claims.toml"), str(work)])
        said = capsys.readouterr()
        assert ended.value.code == 0, said.err
        return said.out

    return grade


def test_the_solution_of_the_exercise_has_all_marks(graded: Callable[[Path], str], tmp_path: Path) -> None:
    assert graded(tmp_path / "solved.toml").endswith("\n7 of 7 marks, by hidden seeds 4711\n")


@in_test_all("four points more: TESTBED_TEST_COMBINATIONS=all")
def test_the_exercise_as_it_is_given_has_two_marks_and_a_hint(graded: Callable[[Path], str], tmp_path: Path) -> None:
    api.run(api.plan([str(tmp_path / "lab.toml")]), out=tmp_path / "mine").require_valid()
    said = graded(tmp_path / "mine")
    assert said.endswith("\n2 of 7 marks, by hidden seeds 4711\n"), said
    assert "hint: look at the time line" in said
