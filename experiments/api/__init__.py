"""The Python API of a run: plan, run, resume, analyse and verify it, as the command line does; docs/python.md.

    from experiments import api

    if __name__ == "__main__":
        points = api.plan(["fig07"], overrides=["workload.sizes=10 KB", "workload.total=1 MB"])
        analysis = api.run(points, out=Path("mine"))
        print(analysis.text())

Nothing here prints or exits. What goes wrong is a `TestbedError` (`testbed.base.errors`), with a hint where there is
one; what goes on is an event for whoever listens (`experiments.api.events`).
"""

from experiments.api.agreement import compare_labs
from experiments.api.analysing import Analysis, analyse
from experiments.api.benchmark import measure
from experiments.api.instructions import count_instructions
from experiments.api.own_parts import load_parts
from experiments.api.planning import plan, plan_with_figures
from experiments.api.runs import resume, run
from experiments.api.verification import verify

__all__ = [
    "Analysis",
    "analyse",
    "compare_labs",
    "count_instructions",
    "load_parts",
    "measure",
    "plan",
    "plan_with_figures",
    "resume",
    "run",
    "verify",
]
