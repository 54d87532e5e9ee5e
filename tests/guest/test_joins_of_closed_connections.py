"""The kernel refuses a join whose connection one end has closed, or shut down, before its third ACK came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from late_join_probe import DATA
from probe_cases import measured

from testbed.labs.uml import UmlLab

PROBE = str(Path(__file__).with_name("late_join_probe.py"))


@pytest.fixture(scope="module")
def lab(every_lab: UmlLab) -> UmlLab:
    return every_lab


@pytest.fixture(scope="module")
def found(lab: UmlLab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Every case, run one after the other in one guest."""
    cases = {name: {"closes": name} for name in ("nobody", "server", "client")}
    return measured(lab, PROBE, cases, tmp_path_factory.mktemp("late-join"), limit_s=300)


def counted(one: dict[str, Any], node: str, *names: str) -> list[int]:
    return [int(one["counters"][node].get(name, 0)) for name in names]


@pytest.mark.parametrize("name", ["nobody", "server", "client"])
def test_all_data_come_by_whichever_subflow(found, name: str) -> None:
    assert "error" not in found[name], found[name]["error"]
    assert found[name]["received"] == len(DATA)


def test_a_connection_that_both_ends_hold_open_gets_its_second_subflow(found) -> None:
    assert counted(found["nobody"], "server", "MPTcpExtMPJoinSynRx", "MPTcpExtMPJoinAckRx", "TcpOutRsts") == [1, 1, 0]


def test_a_server_that_has_closed_answers_the_joins_third_ack_with_a_reset(found) -> None:
    """It had answered the SYN, and its data are still under way."""
    assert counted(found["server"], "server", "MPTcpExtMPJoinSynRx", "MPTcpExtMPJoinAckRx", "TcpOutRsts") == [1, 0, 1]
    assert counted(found["server"], "client", "MPTcpExtMPJoinSynAckRx", "TcpEstabResets") == [1, 1]


def test_a_client_that_has_shut_down_its_side_does_not_ask_for_a_second_subflow(found) -> None:
    """As some do when they have sent their request: the server may go on sending for as long as it likes."""
    assert counted(found["client"], "client", "MPTcpExtAddAddr", "MPTcpExtMPJoinSynTx") == [1, 0]
