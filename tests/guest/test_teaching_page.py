"""The page for teachers says what is so: its exercise, unsolved and solved, gets the marks that it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import api
from experiments.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "teaching.md"


def test_the_exercise_of_the_page(lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, solution, claims = (
        block.partition("```")[0] for block in PAGE.read_text(encoding="utf-8").split("```toml\n")[1:]
    )
    (tmp_path / "claims.toml").write_text(claims)
    (tmp_path / "lab.toml").write_text(given)
    api.run(api.plan([str(tmp_path / "lab.toml")]), out=tmp_path / "mine").require_valid()

    def graded(work: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main.main(["grade", str(tmp_path / "claims.toml"), str(tmp_path / work)])
        said = capsys.readouterr()
        assert ended.value.code == 0, said.err
        return said.out

    said = graded("mine")
    assert said.endswith("\n2 of 7 marks, by hidden seeds 4711\n"), said
    assert "hint: look at the time line" in said
    (tmp_path / "solved.toml").write_text(given.partition("[mptcp]")[0] + solution)
    assert graded("solved.toml").endswith("\n7 of 7 marks, by hidden seeds 4711\n")
