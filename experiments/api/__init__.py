"""The Python API of a run: plan, run, resume, analyse and verify it, as the command line does; docs/python.md.

    from experiments import api

    if __name__ == "__main__":
        points = api.plan(["fig07"], overrides=["workload.sizes=10 KB", "workload.total=1 MB"])
        analysis = api.run(points, out=Path("mine"))
        print(analysis.text())

Nothing here prints or exits. What goes wrong is a `TestbedError` (`testbed.base.errors`), with a hint where there is
one; what goes on is an event for whoever listens (`experiments.api.events`).

Each function's module is read when the function is first asked for: who only analyses needs no package of the lab.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from testbed import extras

if TYPE_CHECKING:
    from experiments.api.agreement import compare_labs
    from experiments.api.analysing import Analysis, analyse, read
    from experiments.api.benchmark import measure
    from experiments.api.captures import Captures, analyse_captures
    from experiments.api.explorations import explore, repeat_finding, slide
    from experiments.api.exporting import Export, export
    from experiments.api.grading import Grade, Grades, grade
    from experiments.api.instructions import count_instructions
    from experiments.api.own_parts import load_parts
    from experiments.api.pictures import Picture, draw
    from experiments.api.planning import plan, plan_with_figures
    from experiments.api.reporting import WrittenReport, report
    from experiments.api.runs import resume, run
    from experiments.api.verification import verify

__all__ = [
    "Analysis",
    "Captures",
    "Export",
    "Grade",
    "Grades",
    "Picture",
    "WrittenReport",
    "analyse",
    "analyse_captures",
    "compare_labs",
    "count_instructions",
    "draw",
    "explore",
    "export",
    "grade",
    "load_parts",
    "measure",
    "plan",
    "plan_with_figures",
    "read",
    "repeat_finding",
    "report",
    "resume",
    "run",
    "slide",
    "verify",
]

_MODULES = {
    "Analysis": "analysing",
    "Captures": "captures",
    "Export": "exporting",
    "Grade": "grading",
    "Grades": "grading",
    "Picture": "pictures",
    "WrittenReport": "reporting",
    "analyse": "analysing",
    "analyse_captures": "captures",
    "compare_labs": "agreement",
    "count_instructions": "instructions",
    "draw": "pictures",
    "explore": "explorations",
    "export": "exporting",
    "grade": "grading",
    "load_parts": "own_parts",
    "measure": "benchmark",
    "plan": "planning",
    "plan_with_figures": "planning",
    "read": "analysing",
    "repeat_finding": "explorations",
    "report": "reporting",
    "resume": "runs",
    "run": "runs",
    "slide": "explorations",
    "verify": "verification",
}
"""Where each name is, below this package: a function more is a line more here, above, and in docs/python.md."""


def __getattr__(name: str) -> Any:
    """A name of this package; raises `PrerequisiteError` if it needs a package of an extra that is not installed."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with extras.explained(f"{__name__}.{name}"):
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
