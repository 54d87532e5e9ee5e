"""An address for each connection, in the lab: guesses are dropped, joins pass, with a new secret and after a reboot."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from guest_points import OK, planned, run_soundly

from analysis.summary.model import PointSummary
from analysis.summary.of_point import analyse_point, analyse_point_fully
from testbed.labs.base import Job
from testbed.labs.uml import UmlLab

PROBE = str(Path(__file__).with_name("two_lives_probe.py"))
GUESSES, PAGES = 10_000, 80
PLAIN, REPLAYS = 100, 100
SENT = (
    f'{{kind="guess", count={GUESSES}, per_second=50000}}',
    f'{{kind="join", count={GUESSES}, per_second=50000, anywhere=true}}',
    f'{{kind="plain", count={PLAIN}, anywhere=true}}',
    f'{{kind="replay", count={REPLAYS}, per_second=400, orders=true}}',
)
OWN = (
    "topology.family=ipv6", "mptcp.path_manager=userspace", "topology.direct.delay=2 ms",
    'protection={part="address-per-connection", rotate="100 ms"}',
)  # fmt: skip


def load(*syns: str) -> tuple[str, ...]:
    pages = f'workload={{part="page-loads-and-syns", sizes=["1000 KB"], concurrency=10, requests={PAGES}}}'
    return (*OWN, pages, f"workload.syns=[{', '.join(syns)}]")


def valid(summary: PointSummary) -> PointSummary:
    assert summary.valid, summary.invalid_reasons
    return summary


def test_guesses_are_dropped_and_joins_pass_while_the_secret_changes(lab: UmlLab, tmp_path: Path) -> None:
    run_soundly(lab, tmp_path / "p", planned("fig07", "mptcp", load(*SENT)))
    found = valid(analyse_point(tmp_path / "p"))
    assert [(each.kind, each.answered, each.refused) for each in found.syns] == [
        ("guess", 0, 0), ("join", 0, 0), ("plain", 0, 0), ("replay", REPLAYS, 0),
    ]  # fmt: skip
    assert found.joins and found.joins.accepted == found.joins.asked >= PAGES
    counts = found.protection
    assert counts["passed"] + counts["passed-by-old-key"] == found.joins.asked + REPLAYS
    assert counts["passed-by-old-key"] > 0
    assert (counts["refused-joins"], counts["refused-others"]) == (2 * GUESSES, PLAIN)
    assert found.half_open and found.half_open <= REPLAYS + PAGES


def test_without_the_check_the_server_resets_each_guess(lab: UmlLab, tmp_path: Path) -> None:
    unchecked = (*load(*SENT[:2]), "protection.checked=false")
    run_soundly(lab, tmp_path / "p", planned("fig07", "mptcp", unchecked))
    found = valid(analyse_point(tmp_path / "p"))
    assert [(each.answered, each.refused) for each in found.syns] == [(0, GUESSES), (0, GUESSES)]


def test_a_reboot_loses_nothing_but_the_connections(lab: UmlLab, tmp_path: Path) -> None:
    point = planned("fig07", "mptcp", load(SENT[3]))
    printed = bytearray()
    job = Job((sys.executable, PROBE, point.to_json()), tmp_path, wall_limit_s=120, clock_limit_s=1000)
    result = lab.run(job, stderr=printed.extend)
    assert (result.status, result.kernel_warnings) == (0, ()), printed.decode()
    addresses = []
    for life in ("life-1", "life-2"):
        (tmp_path / life / "outcome.json").write_text(OK)
        analysed = analyse_point_fully(tmp_path / life)
        joins = valid(analysed.summary).joins
        assert joins and joins.accepted == joins.asked >= PAGES
        # To whom does not matter in the tables: they have the server's one address for all of these.
        assert {row["address"] for row in analysed.tables["announcements"].to_pylist()} == {"fd00:3::101"}
        journal = (tmp_path / life / "path-manager-s1.jsonl").read_text().splitlines()
        ends = [each["local"] for line in journal if (each := json.loads(line))["what"] == "sub-established"]
        assert all(end.startswith("[fd00:201:") for end in ends)
        addresses.append(set(ends))
    assert len(addresses[0]) >= PAGES and not addresses[0] & addresses[1]


def test_servers_behind_a_router_have_networks_too(lab: UmlLab, tmp_path: Path) -> None:
    few = ("workload.concurrency=12", "workload.duration=2 s", "timetable=none", "workload.size=10 MB")
    overrides = (*few, *OWN[:2], OWN[3])
    run_soundly(lab, tmp_path / "p", planned("fig14", "mptcp", overrides))
    found = valid(analyse_point(tmp_path / "p"))
    assert found.joins and found.joins.accepted == found.joins.asked >= 12
