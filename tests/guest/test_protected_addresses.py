"""The filter on a unique address, in the lab: strangers' SYNs are refused, and joins of every form pass."""

from __future__ import annotations

from pathlib import Path

import pytest
from guest_points import planned, run_soundly

from analysis.summary.model import PointSummary
from analysis.summary.of_point import analyse_point
from testbed.labs.uml import UmlLab

SYNS = 100
SENT = [f'{{kind="{kind}", count={SYNS}, orders=true}}' for kind in ("plain", "capable", "malformed-join", "join")]
SENT.append(f'{{kind="replay", count={SYNS}, per_second=500, copies=2, orders=true}}')
WORKLOAD = (
    'workload={part="page-loads-and-syns", sizes=["1000 KB"], concurrency=10, requests=30}',
    f"workload.syns=[{', '.join(SENT)}]",
)
DROP = ("protection=joins-only",)
RESET = ('protection={part="joins-only", refusal="reset"}', "topology.family=ipv6")


def run(lab: UmlLab, out: Path, *overrides: str) -> PointSummary:
    run_soundly(lab, out, planned("fig07", "mptcp", (*WORKLOAD, *overrides)))
    found = analyse_point(out)
    assert found.valid, found.invalid_reasons
    return found


def test_whoever_knows_an_open_unique_address_is_answered(lab: UmlLab, tmp_path: Path) -> None:
    found = run(lab, tmp_path / "p")
    # A join with a token that nobody has, the kernel itself refuses; a malformed one it takes for none.
    answered = {each.kind: (each.answered, each.refused) for each in found.syns}
    assert answered == {
        "plain": (SYNS, 0), "capable": (SYNS, 0), "malformed-join": (SYNS, 0), "join": (0, SYNS), "replay": (SYNS, 0),
    }  # fmt: skip
    assert found.protection == {}


@pytest.mark.parametrize(("overrides", "refused"), [(DROP, 0), (RESET, SYNS)], ids=["drop-ipv4", "reset-ipv6"])
def test_joins_pass_and_strangers_do_not(lab: UmlLab, tmp_path: Path, overrides: tuple[str, ...], refused: int) -> None:
    found = run(lab, tmp_path / "p", *overrides)
    answered = {each.kind: (each.answered, each.refused) for each in found.syns}
    assert answered == {
        "plain": (0, refused), "capable": (0, refused), "malformed-join": (0, refused), "join": (0, SYNS),
        "replay": (SYNS, 0),
    }  # fmt: skip
    assert found.joins and found.joins.accepted == found.joins.asked >= 30
    # Each made-up join with a token in use is sent twice.
    assert found.protection == {"joins": found.joins.asked + 3 * SYNS, "refused": 3 * SYNS, "unasked": 0}
