"""A smoke point for each director with each of its schedulers, tunnels and hashes: who chooses one gets it.

Every third of them in `make test`; all with TESTBED_TEST_COMBINATIONS=all, as in `make test-all`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from extent import ALL
from guest_points import planned, run_soundly

from analysis.summary.of_point import PointAnalysis, analyse_point_fully

SCHEDULERS = ("rr", "wrr", "lc", "wlc", "sh", "mh")
COMBINATIONS = [
    *(f'{{part="{part}", scheduler="{each}"}}' for part in ("ipvs-nat", "ipvs-dr") for each in SCHEDULERS),
    *(f'{{part="ipvs-tun", tunnel="{each}", scheduler="wlc"}}' for each in ("ipip", "gre", "gue")),
    *(f'{{part="nft", form="{form}", buckets={each}}}' for form in ("nat", "dsr") for each in (0, 64)),
    '{part="second-chance"}',
    '{part="ecmp"}',
    '{part="resilient"}',
    '{part="ecmp", form="dsr"}',
    '{part="resilient", form="dsr"}',
]
TRIED = COMBINATIONS if ALL else COMBINATIONS[::3]
SMALL = (
    "topology.servers=2", "workload.sizes=100 KB", "workload.total=4 MB", "workload.concurrency=8",
    "director_statistics=true",
)  # fmt: skip


def measured(lab, out: Path, director: str) -> PointAnalysis:
    run_soundly(lab, out, planned("fig07", "mptcp", [*SMALL, f"director={director}"]))
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
