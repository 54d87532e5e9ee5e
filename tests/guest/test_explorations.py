"""Explorations of a short connection: faults strike what they are meant for, findings repeat, a change has a window."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from extent import in_test_all

from experiments import api
from experiments.api.exploration import Exploration, Wanted
from experiments.api.explorations import Asked, points_of
from experiments.cli.explore import explore as command
from testbed.base.errors import UsageError

SMALL = ('workload.sizes=["100 KB"]', 'topology.client_director.delay="5 ms"')
FIRST_PACKETS = range(1, 11)
"""Handshake, ADD_ADDR, the request, the join's SYN and SYN+ACK."""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exploration") / "out"


@pytest.fixture(scope="module")
def explored(lab: Any, directory: Path) -> Exploration:
    """Every fault of the first packets of a small download; the worst finding is repeated in a boot of its own."""
    del lab  # it must be there
    wanted = Wanted(numbers=FIRST_PACKETS, repeat=1)
    (found,) = api.explore(Asked("fig07", overrides=SMALL), wanted, directory).values()
    return found


def rows(found: Exploration, **wanted: object) -> list[Any]:
    return [row for row in found.rows if all(row[name] == value for name, value in wanted.items())]


def test_every_fault_strikes_the_packet_that_it_is_meant_for_as_captures_have_seen(explored: Exploration) -> None:
    assert {row["fault"] for row in explored.rows} == {"lost", "duplicated", "delayed", "swapped"}
    assert len({row["delay_s"] for row in rows(explored, fault="delayed")}) == 4
    assert [row["not_applied"] for row in explored.rows if not row["applied"]] == []


def test_a_handshake_waits_a_second_and_data_for_a_retransmission_timeout(explored: Exploration) -> None:
    (syn,) = rows(explored, fault="lost", what="SYN 1, client to server, initial subflow")
    assert syn["extra_s"] == pytest.approx(1.0, abs=0.1)
    (request,) = rows(explored, fault="lost", what="data 1, client to server, initial subflow")
    assert request["extra_s"] == pytest.approx(0.2 + explored.base.round_trip_s, abs=0.03)


def test_without_its_add_addr_a_short_connection_has_no_join(explored: Exploration) -> None:
    assert explored.base.join.state == "confirmed"
    (lost,) = rows(explored, fault="lost", what="ADD_ADDR 1, server to client, initial subflow")
    assert (lost["join"], lost["finding"]) in {("none", "no join"), ("confirmed", "")}, lost
    (late,) = rows(explored, fault="duplicated", what="ADD_ADDR 1, server to client, initial subflow")
    assert (late["join"], late["finding"], late["outcome"]) == ("confirmed", "", "ok")


def test_the_worst_finding_repeats_alone_with_its_digest(explored: Exploration, directory: Path) -> None:
    assert explored.groups[0].repeats
    (file,) = directory.glob("*/findings/*.toml")
    text = file.read_text()
    assert f'digest = "{explored.groups[0].worst["digest"]}"' in text
    done = CliRunner().invoke(command, ["--repeat", str(file)])
    assert done.exit_code == 0, done.output


def test_what_was_found_is_in_the_directory(explored: Exploration, directory: Path) -> None:
    (folder,) = [each for each in directory.iterdir() if each.is_dir()]
    assert {each.name for each in folder.iterdir()} >= {"exploration.txt", "cases.parquet", "packets.svg", "findings"}
    with (folder / "cases.csv").open() as file:
        assert [row["case"] for row in csv.DictReader(file)] == [row["case"] for row in explored.rows]


@in_test_all("an exploration more: make test-all")
def test_a_server_that_is_removed_takes_young_connections_with_it_and_nothing_of_them_is_left(
    lab: Any, tmp_path: Path
) -> None:
    del lab
    several = (*SMALL[1:], 'workload.sizes=["300 KB"]', "topology.servers=3")
    asked = Asked("fig07", overrides=several, schemes=("close",))
    (slid,) = api.slide(asked, "remove", tmp_path / "out", first_tries=16).values()
    assert [row["not_applied"] for row in slid.rows if not row["applied"]] == []
    # A base line that came to another server, or by other packets, would have ended it: there is one behind each case.
    assert slid.base_lines > len(slid.rows)
    assert slid.windows[0].outcome == "ok"  # nothing is there yet: another server answers
    (failing,) = slid.failing
    assert (failing.outcome, failing.first) == ("hangs", 1)  # from the SYN on, that makes a connection of it


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (Asked("fig08", overrides=('topology.client_director.loss="1 %"',)), "lose packets by chance"),
        (Asked("upload"), "explored are downloads"),
        (Asked("fig07", overrides=('protocols=["tcp"]',)), "it has no point of mptcp"),
    ],
)
def test_what_cannot_be_explored_is_refused(asked: Asked, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        points_of(asked)
