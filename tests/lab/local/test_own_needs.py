"""A need of a user's own part is tried before anything starts, and no code of the user's is imported for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_page import Cli

from experiments import plan

DIRECTOR = """\
from testbed.base.needs import Need
from testbed.directors.ecmp import Ecmp


class Mine(Ecmp):
    \"\"\"Flows by the light of the moon.\"\"\"

    needs = Ecmp.needs | {Need(name="a moonbeam", purpose="counted", probe=(("ip", "link", "show", "moon"),))}
"""


@pytest.mark.parametrize("lab", ["local", "uml"])
def test_a_need_of_ones_own_that_is_not_met_is_one_line_and_nothing_starts(cli: Cli, tmp_path: Path, lab: str) -> None:
    (tmp_path / "mine.py").write_text(DIRECTOR)
    text = plan.find("fig14").read_text()
    (tmp_path / "own.toml").write_text(text.replace('director = "ecmp"', 'director = "mine.py"'))
    done = cli("run", "own.toml", "--lab", lab, "--out", "run")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.count("\n") == 1
    assert "a moonbeam (director mine.py: counted)" in done.stderr
    assert 'Device "moon" does not exist.' in done.stderr
    assert not (tmp_path / "run").exists()
