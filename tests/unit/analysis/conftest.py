from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.cli import main


@pytest.fixture
def analyze(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`testbed analyze` with these arguments: exit status, standard output and standard error."""

    def run(*args: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main.main(["analyze", *map(str, args)])
        said = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return run
