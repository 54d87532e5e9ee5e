"""What a list of events can have happen, and in which words the rest is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiment_texts import PAGE_LOADS, refusal

from experiments import plan
from experiments.composition import parts_of
from experiments.timetables.base import Change

TIMETABLE = '[timetable]\npart = "events"\nevents = [{events}]\n'


def with_events(*events: str, text: str = PAGE_LOADS) -> str:
    return text + TIMETABLE.format(events=", ".join(f"{{ {each} }}" for each in events))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("events", "message"),
    [
        (['at = "1 s"'], "events[0]: an event says one of remove, add, drain, crash, back, lose_director"),
        (['at = "1 s", remove = 1, add = 2'], "events[0]: an event says one of remove"),
        (['at = "1 s", remove = 3'], "events: there are 2 servers, numbered from 1"),
        (['at = "1 s", lose_director = 2'], "events: there is 1 director, numbered from 1"),
        (['at = "1 s", lose_director = 1'], "events: at 1 s no director is left"),
        (['at = "1 s", director_back = 1'], "events: at 1 s director 1 is not lost"),
        (['at = "1 s", add = 1'], "events: at 1 s server 1 is in the pool already"),
        (['at = "1 s", back = 1'], "events: at 1 s server 1 has its power"),
        (['at = "1 s", crash = 1', 'at = "2 s", crash = 1'], "events: at 2 s server 1 has no power"),
        (['at = "1 s", crash = 1', 'at = "2 s", remove = 2'], "events: at 2 s no server that has power is left in the"),
        (['at = "1 s", remove = 2', 'at = "2 s", crash = 1'], "events: at 2 s no server is left in the pool"),
        (['at = "1 s", drain = 1', 'at = "2 s", drain = 2'], "events: at 2 s no server is left in the pool"),
        (['at = "1 s", drain = 1', 'at = "2 s", drain = 1'], "events: at 2 s server 1 is drained already"),
        (['at = "1 s", remove = 1', 'at = "2 s", drain = 1'], "events: at 2 s server 1 is not in the pool"),
        (['at = "1 s", flip = 1'], "events: at 1 s there are no equal-cost paths to flip: one director, 'ipvs-nat'"),
        (['at = "0 s", remove = 2', 'at = "1 s", flip = 1'], "where it was: the paths are those to 1 server"),
        (['at = "1 s", flip = 2'], "events: at 1 s a flip by 2 leads every flow where it was: the paths are those to"),
    ],
)  # fmt: skip
def test_what_changes_nothing_or_leaves_nobody_is_refused(events: list[str], message: str) -> None:
    assert message in refusal(with_events(*events))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("event", "said"),
    [
        ('at = "1 s", drian = 1', "unknown key 'drian' in [timetable.events[0]] (did you mean 'drain'?)"),
        ("at = 1, drain = 1", 'timetable.events[0].at: 1 has no unit: a duration is a text such as "20 ms"'),
        ("drain = 1", "missing key 'at' in [timetable.events[0]]"),
    ],
)
def test_one_mistake_in_the_only_event_is_one(event: str, said: str) -> None:
    assert refusal(with_events(event)).split(": ", 1)[1] == said


@pytest.mark.usefixtures("folder")
def test_a_list_that_is_missing_is_a_key() -> None:
    assert refusal(PAGE_LOADS + TIMETABLE.replace("events = [{events}]", "")).endswith(
        "missing key 'events' in [timetable]"
    )


@pytest.mark.usefixtures("folder")
def test_a_director_that_cannot_drain_is_named() -> None:
    text = with_events('at = "1 s", drain = 1', text=PAGE_LOADS.replace('"ipvs-nat"', '"ecmp"'))
    assert "at 1 s the director 'ecmp' would have to drain a server: it cannot" in refusal(text)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("director", ["ecmp", "resilient", "signalled-port"])
def test_the_director_by_which_all_servers_answer_cannot_be_lost(director: str) -> None:
    several = PAGE_LOADS.replace("servers = 2", "servers = 2\ndirectors = 2").replace("ipvs-nat", director)
    said = refusal(with_events('at = "1 s", lose_director = 1', text=several))
    assert "at 1 s director 1 is lost, by which servers answer whoever has asked them" in said
    Path("x.toml").write_text(with_events('at = "1 s", lose_director = 2', text=several))
    assert plan.plan(plan.load(Path("x.toml")))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("director", ["ipvs-nat", "ipvs-dr", "nft", "second-chance"])
def test_any_other_can(director: str) -> None:
    several = PAGE_LOADS.replace("servers = 2", "servers = 2\ndirectors = 2").replace("ipvs-nat", director)
    Path("x.toml").write_text(with_events('at = "1 s", lose_director = 1', text=several))
    assert plan.plan(plan.load(Path("x.toml")))


def test_changes_come_in_order_of_time_and_say_whom_they_are_about() -> None:
    events = ", ".join(
        f'{{ at = "{at} s", {what} }}'
        for at, what in ((3, "back = 2"), (1, "drain = 1"), (2, "crash = 2"), (4, "add = 1"))
    )
    overrides = ["topology.servers=3", f'timetable={{ part = "events", events = [{events}] }}']
    parts = parts_of(plan.plan(plan.load(plan.find("fig07")), overrides=overrides)[0])
    assert parts.timetable.changes(None, ["s1", "s2", "s3"]) == [
        Change(1.0, "server-drained", "s1"),
        Change(2.0, "server-crashed", "s2"),
        Change(3.0, "server-back", "s2"),
        Change(4.0, "server-added", "s1"),
    ]


def test_only_who_loses_power_needs_what_takes_it() -> None:
    for event, needs in (("remove = 1", set()), ("crash = 1", {"program ss", "program tc"})):
        overrides = ["topology.servers=2", f'timetable={{ part = "events", events = [{{ at = "1 s", {event} }}] }}']
        timetable = parts_of(plan.plan(plan.load(plan.find("fig07")), overrides=overrides)[0]).timetable
        assert {need.name for need in timetable.features() if need.program} == needs
