"""Every test here is marked `fuzz`; the seed is told, so that what was found can be had again."""

from __future__ import annotations

import sys
from pathlib import Path

import harness
import pytest

# Good inputs to begin with: the points and captures that the analysis' own tests make.
sys.path.append(str(Path(__file__).parents[1] / "analysis"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.fuzz)


def pytest_report_header() -> str:
    return f"fuzzing: FUZZING_SEED={harness.SEED} FUZZING={harness.FACTOR:g}"
