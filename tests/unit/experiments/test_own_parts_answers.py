"""What a user's own part answers when it is asked: whatever is wrong with it is one line with its file."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from experiments import api
from experiments import plan as planning
from experiments.api.planning import task_of
from testbed.base.errors import ConfigError, UsageError

DIRECTOR = """\
from typing import Any, ClassVar

from pydantic import model_validator

from testbed.directors.ipvs_nat import IpvsNat


class Mine(IpvsNat):
    \"\"\"IPVS, as ours.\"\"\"

"""
WORKLOAD = """\
from experiments.workloads.page_loads import PageLoads


class Mine(PageLoads):
    \"\"\"Page loads, as ours.\"\"\"

"""

ALSO = {"director": [], "workload": ["workload.sizes=10 KB", "workload.concurrency=2", "workload.requests=4"]}


def refusal(folder: Path, kind: str, text: str) -> str:
    path = folder / "mine.py"
    path.write_text(text)
    with warnings.catch_warnings(), pytest.raises((ConfigError, UsageError)) as caught:
        warnings.simplefilter("ignore")
        for point in api.plan(["fig07"], overrides=[f"{kind}.part={path}", *ALSO[kind]]):
            task_of(point)
            planning.virtual_limit_s(point)
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("    features: int = 3", "Mine has fields with names of its base's own: features"),
        ("    check: int = 3", "Mine has fields with names of its base's own: check"),
        ("    part: int = 3", "Mine has fields with names of its base's own: part"),
        ("    check: ClassVar[int] = 3", "mine.py: TypeError: 'int' object is not callable"),
        ("    largest_seed: ClassVar[int] = 3", "mine.py: TypeError: cannot unpack"),
        (
            "    service_path: ClassVar[int] = 3",
            "name: Input should be a valid string (composition.py:",
        ),
        ("    def check(self): yield 1", "mine.py: TypeError: Mine.check() takes 1 positional"),
        ("    def check(self, topology): return ['bad']", "mine.py: AttributeError: 'str' object"),
        ("    def model_post_init(self, context): 1 / 0", "mine.py:11: ZeroDivisionError"),
        ("    @model_validator(mode='after')\n    def v(self): raise SystemExit(0)", "mine.py:12: SystemExit: 0"),
        ("    value: Any = print", "mine.py: Mine.value: a builtin_function_or_method does not come back"),
        ("    value: float = float('nan')", "mine.py: ValidationError: settings: Value error, value: nan is no number"),
    ],
)
def test_a_director_of_wrong_answers_is_one_line(tmp_path: Path, line: str, said: str) -> None:
    assert said in refusal(tmp_path, "director", DIRECTOR + line + "\n")


@pytest.mark.parametrize("sizes", ["()", "(-1,)", "('10 KB',)", "(1000, 1000)", "(1.5,)", "(True,)"])
def test_sizes_that_are_none_are_one_line(tmp_path: Path, sizes: str) -> None:
    text = f"{WORKLOAD}    @property\n    def object_sizes(self): return {sizes}\n"
    assert "mine.py: ValueError: object_sizes is" in refusal(tmp_path, "workload", text)


@pytest.mark.parametrize("method", ["busy_s", "transfer_s"])
@pytest.mark.parametrize("seconds", ["-1.0", "float('inf')", "float('nan')", "'3 s'", "None", "1e300"])
def test_seconds_that_are_none_are_one_line(tmp_path: Path, method: str, seconds: str) -> None:
    text = f"{WORKLOAD}    def {method}(self, *_): return {seconds}\n"
    assert f"mine.py: ValueError: {method} is " in refusal(tmp_path, "workload", text)
