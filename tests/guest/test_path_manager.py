"""The userspace path manager on the real kernel: what it does, and what is left when it is not there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from testbed.labs.base import Job
from testbed.labs.uml import UmlLab

PROBE = str(Path(__file__).with_name("path_manager_probe.py"))


@pytest.fixture(scope="module")
def lives(lab: UmlLab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every scenario of the probe, in one guest."""
    out = tmp_path_factory.mktemp("path-manager")
    printed, complaints = bytearray(), bytearray()
    job = Job((sys.executable, PROBE), out, wall_limit_s=300, clock_limit_s=1000)
    result = lab.run(job, stdout=printed.extend, stderr=complaints.extend)
    assert result.status == 0, complaints.decode()
    assert result.kernel_warnings == ()
    return dict(json.loads(printed))


def life(lives: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = lives[name]
    assert "error" not in found, found["error"]
    assert (found["status"], found["failed"]) == (0, 0)
    assert found["fallbacks"] == 0
    return found


def test_every_connection_joins_and_leaves_the_slow_link(lives) -> None:
    found = life(lives, "all_well")
    counts = found["counts"]
    assert found["mptcp_connections"] == found["joined"] == counts["connections"] == counts["joined"] >= 20
    assert counts["backup"] == counts["announce"] == counts["connections"]
    assert (counts["gone"], counts["refused"], counts["overruns"]) == (0, 0, 0)
    assert found["unique_share"] > 0.85


def test_ipv6_connections_join_as_well(lives) -> None:
    found = life(lives, "ipv6")
    assert found["mptcp_connections"] == found["joined"] == found["counts"]["joined"] >= 4
    assert found["unique_share"] > 0.85


def test_the_initial_subflow_is_closed_once_another_is_up(lives) -> None:
    found = life(lives, "close_initial")
    assert found["counts"]["close-initial"] == found["joined"] == 4
    assert found["initial_left"] == 0
    assert found["later_packets"][0] == 0 < found["later_packets"][1]


def test_a_killed_daemon_harms_no_connection(lives) -> None:
    found = life(lives, "killed")
    assert (found["complete"], found["joined"]) == (8, 4)
    assert found["unique_share"] > 0.4


def test_a_killed_daemon_leaves_working_plain_mptcp(lives) -> None:
    later = life(life(lives, "killed"), "later")
    assert (later["complete"], later["joined"]) == (20, 0)
    assert later["mptcp_connections"] >= 20
    assert later["unique_share"] < 0.01


def test_a_daemon_started_late_adopts_the_connections_that_there_are(lives) -> None:
    found = life(lives, "started_late")
    assert found["counts"]["adopted"] == found["joined"] == 4
    assert found["unique_share"] > 0.7


def test_a_restarted_daemon_does_nothing_twice(lives) -> None:
    counts = life(lives, "restarted")["counts"]
    assert counts["adopted"] == counts["joined"] == 4
    assert "announce" not in counts and "backup" not in counts


def test_a_flood_of_short_connections(lives) -> None:
    found = life(lives, "flood")
    counts = found["counts"]
    assert found["complete"] == 500
    assert counts["connections"] == found["mptcp_connections"] >= 500
    assert counts["refused"] == 0


def test_connections_whose_events_were_lost_are_found(lives) -> None:
    found = life(lives, "overrun")
    counts = found["counts"]
    assert counts["overruns"] >= 1
    assert counts["resynchronisations"] == counts["overruns"] + 1
    assert counts["adopted"] > 0
    assert found["joined"] == counts["joined"] == 20


def test_an_address_is_announced_again_until_somebody_joins(lives) -> None:
    """The kernel would repeat a lost ADD_ADDR after a second at the earliest."""
    found = life(lives, "lost_announcement")
    assert found["counts"]["repeat-announce"] >= 1
    assert found["joined"] == 1
    assert found["joined_after_s"] < 0.5


def test_one_address_with_two_ports(lives) -> None:
    found = life(lives, "same_address_other_port")
    assert found["joined"] == 1
    assert found["left"] == [[False, 8080, False]]  # the join, and no backup


def test_taking_over_is_undone_at_the_end(lives) -> None:
    assert life(lives, "take_over")["pm_types"] == ["0", "1", "0"]


def test_the_kernel_has_to_be_told_first(lives) -> None:
    status, complaint = life(lives, "take_over")["not_told"]
    assert status == 3
    assert complaint == (
        "testbed: error: net.mptcp.pm_type is 0: the kernel manages the paths of this network namespace "
        "(sysctl -w net.mptcp.pm_type=1, or give --take-over)"
    )


def test_commands_that_come_too_late_are_known_by_the_kernels_answer(lives) -> None:
    assert life(lives, "refusals")["refusals"] == {
        "right": ["OK", "", False],
        "announce": ["EINVAL", "invalid token", True],
        "backup": ["EINVAL", "invalid token", True],
        "destroy": ["EINVAL", "invalid token", True],
        "backup of another": ["EINVAL", "", True],
        "destroy of another": ["ESRCH", "", True],
        "id in use": ["EINVAL", "did not match address and id", False],
    }
