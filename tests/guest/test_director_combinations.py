"""A smoke point for each director with each of its schedulers, tunnels and hashes: who chooses one gets it.

Every third of them in `make test`; all with TESTBED_TEST_COMBINATIONS=all, as in `make test-all`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from analysis.summary.of_point import PointAnalysis, analyse_point_fully
from experiments import plan
from testbed.labs.base import Job

SCHEDULERS = ("rr", "wrr", "lc", "wlc", "sh", "mh")
COMBINATIONS = [
    *(f'{{part="{part}", scheduler="{each}"}}' for part in ("ipvs-nat", "ipvs-dr") for each in SCHEDULERS),
    *(f'{{part="ipvs-tun", tunnel="{each}", scheduler="wlc"}}' for each in ("ipip", "gre", "gue")),
    *(f'{{part="nft", form="{form}", buckets={each}}}' for form in ("nat", "dsr") for each in (0, 64)),
    '{part="second-chance"}',
    '{part="ecmp"}',
    '{part="resilient"}',
]
TRIED = COMBINATIONS if os.environ.get("TESTBED_TEST_COMBINATIONS") == "all" else COMBINATIONS[::3]
SMALL = (
    "topology.servers=2", "workload.sizes=100 KB", "workload.total=4 MB", "workload.concurrency=8",
    "director_statistics=true",
)  # fmt: skip
OK = '{"status": "ok", "error": "", "wall_s": 1, "virtual_s": 1, "kernel_warnings": []}'


def measured(lab, out: Path, director: str) -> PointAnalysis:
    experiment = plan.load(plan.find("fig07"))
    (point, *_) = [
        each for each in plan.plan(experiment, overrides=[*SMALL, f"director={director}"]) if each.protocol == "mptcp"
    ]
    out.mkdir()
    (out / "point.json").write_text(point.to_json())
    result = lab.run(Job((sys.executable, "-m", "experiments.agent"), out, wall_limit_s=300, clock_limit_s=1000))
    assert result.status == 0, (out / "guest" / "stderr").read_text()
    (out / "outcome.json").write_text(OK)
    return analyse_point_fully(out)


@pytest.mark.parametrize("director", TRIED)
def test_every_combination_balances_and_its_counts_agree(lab, tmp_path: Path, director: str) -> None:
    found = measured(lab, tmp_path / "point", director)
    summary, balanced = found.summary, found.summary.balancing
    assert (summary.valid, summary.invalid_reasons) == (True, ())
    assert summary.complete_requests == 40 and balanced is not None and balanced.broken == 0
    assert balanced.imbalance_connections is not None and 1 <= balanced.imbalance_connections < 2
    disagreeing = [row for row in found.tables["reconciliation"].to_pylist() if row["holds"] is not True]
    assert disagreeing == []
