"""Which faults there are: each of every packet, each delay once, and no swap without a packet behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest
from connection_maker import download
from pydantic import ValidationError

from analysis.flows.passages_in_captures import Agreement
from experiments.api.exploration import Wanted, explore
from experiments.api.explorations import Asked, points_of
from experiments.api.exploring import Explorer, Seen
from experiments.exploration.enumeration import Delays, case_of, second_losses, single_faults
from testbed.base.errors import UsageError
from testbed.record.exploration import MOST_FAULTS, Case, Fault


def test_each_packet_has_every_fault_and_each_case_a_name_of_its_own() -> None:
    passages = download().passages
    delays = Delays.of_round_trip(0.0004)
    assert delays.seconds == (0.0002, 0.0004, 0.0008, 0.2004)
    cases = single_faults(passages, delays)
    assert len({case.id for case in cases}) == len(cases)
    last_of_their_ways = 4  # both directions of both paths: nothing comes behind these
    assert len(cases) == len(passages) * (2 + len(delays.seconds)) + len(passages) - last_of_their_ways
    assert {case.faults[0].packet for case in cases} == {one.number for one in passages}


def test_a_packet_with_none_behind_it_on_its_path_and_way_is_not_swapped() -> None:
    swapped = {case.faults[0].packet for case in single_faults(download().passages, Delays(()), ["swapped"])}
    assert swapped == {1, 2, 3, 4, 5, 6, 7, 8, 9}  # 10 to 13 are the last of a path and direction


def test_packets_and_faults_can_be_chosen() -> None:
    cases = single_faults(download().passages, Delays((0.1,)), ["lost", "delayed"], range(2, 4))
    assert [case.id for case in cases] == ["2-lost", "2-delayed-100000us", "3-lost", "3-delayed-100000us"]


def test_a_delay_that_is_two_of_the_four_comes_once() -> None:
    assert Delays.of_round_trip(0.0).seconds == (0.2,)


def test_a_second_loss_is_of_what_passed_with_the_first() -> None:
    first = case_of([Fault(packet=11, what="lost")])
    assert [case.id for case in second_losses(first, download().passages, 5)] == ["11-lost+12-lost", "11-lost+13-lost"]


def test_a_case_has_no_more_faults_than_the_injector_takes() -> None:
    with pytest.raises(ValidationError):
        Case(id="many", faults=(Fault(packet=1, what="lost"),) * (MOST_FAULTS + 1))


class Explores:
    """An explorer that has seen the base line alone."""

    point = points_of(Asked(experiment="fig07"))[0]
    alike = 0
    base_lines = 1

    def base(self) -> Seen:
        return Seen(Case(id="base"), download().outcome(), Agreement(), far_comparable=True)

    def run(self, cases: Sequence[Case], *, alone: bool = False) -> dict[str, Seen]:
        raise AssertionError(f"{len(cases)} cases")


def test_numbers_of_packets_that_did_not_pass_are_no_exploration() -> None:
    packets = len(download().passages)
    explorer = cast(Explorer, Explores())
    with pytest.raises(UsageError, match=f"^{Explores.point.id}: a connection of {packets} packets has none that"):
        explore(explorer, Wanted(numbers=range(packets + 1, packets + 9)))
    with pytest.raises(AssertionError, match=r"^1 cases"):
        explore(explorer, Wanted(whats=("lost",), numbers=range(packets, packets + 9)))
