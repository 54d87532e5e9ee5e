"""Schemes at the command line: `testbed list --schemes`, `--scheme` and `--schemes`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments import schemes
from experiments.cli import main


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main.main(list(words))
    found = capsys.readouterr()
    return int(ended.value.code or 0), found.out, found.err


def test_list_names_the_schemes_of_the_toolkit(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said(capsys, "list", "--schemes")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == list(schemes.built_in())
    assert 'lb_mode = "close"' in out


def test_a_scheme_of_ones_own_is_run_beside_the_papers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.toml").write_text('[scheme.mine]\nlabel = "Mine"\nmptcp.subflows = 3\n')
    command = ("run", "7", "--dry-run", "--scheme", "mine")
    _, out, _ = said(capsys, *command, "--scheme", "paper", "--schemes", "own.toml")
    assert [len(re.findall(rf"^fig07-{arm}-", out, re.MULTILINE)) for arm in ("tcp", "mine", "paper")] == [7] * 3
    status, _, err = said(capsys, *command)
    assert (status, err.count("\n")) == (2, 1) and "no scheme 'mine'" in err
