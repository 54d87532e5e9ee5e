"""The Python API of a run: plan, run, resume and analyse, as the command line does, and verify.

    from experiments import api

    if __name__ == "__main__":
        points = api.plan(["fig07"], overrides=["workload.sizes=10 KB", "workload.total=1 MB"])
        analysis = api.run(points, out=Path("mine"))
        print(analysis.text())

Nothing here prints or exits. What goes wrong is a `TestbedError` (`testbed.base.errors`), with a hint where there is
one; what goes on is an event for whoever listens (`experiments.api.events`).
"""

from experiments.api.analysing import Analysis, analyse
from experiments.api.planning import plan
from experiments.api.runs import resume, run

__all__ = ["Analysis", "analyse", "plan", "resume", "run"]
