"""What the path manager decides, given what a kernel told: recorded events, and those of a made-up life."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import datagrams, events

from testbed.net.mptcp_pm import subflows
from testbed.net.mptcp_pm.addresses import SocketAddress
from testbed.net.mptcp_pm.events import Event
from testbed.net.mptcp_pm.messages import EventType, mptcp_msg
from testbed.net.mptcp_pm.subflows import Subflow
from testbed.path_manager.figure4 import MAX_REPEATS, Command, PathManager, Settings

UNIQUE = SocketAddress("10.9.3.101")
LOCAL, REMOTE = SocketAddress("10.9.1.80", 80), SocketAddress("10.9.1.2", 4000)
JOIN_LOCAL, JOIN_REMOTE = SocketAddress("10.9.3.101", 80), SocketAddress("10.9.3.2", 5000)
FIRST, SECOND = 0xEC3C2957, 0x859D0B53  # tokens of the recorded connections

ESTABLISHED = Event(EventType.ESTABLISHED, 1, LOCAL, REMOTE, server_side=True)
JOINED = Event(EventType.SUB_ESTABLISHED, 1, JOIN_LOCAL, JOIN_REMOTE, local_id=1, remote_id=1)
INITIAL_CLOSED = Event(EventType.SUB_CLOSED, 1, LOCAL, REMOTE)
JOIN_CLOSED = Event(EventType.SUB_CLOSED, 1, JOIN_LOCAL, JOIN_REMOTE)
CLOSED = Event(EventType.CLOSED, 1)


def manager(**settings: object) -> PathManager:
    return PathManager(Settings(**{"unique": (UNIQUE,), **settings}))  # type: ignore[arg-type]


def actions(commands: list[Command]) -> list[tuple[str, int]]:
    return [(command.action, command.token) for command in commands]


def after(path_manager: PathManager, *happened: Event, now_s: float = 0.0) -> list[tuple[str, int]]:
    for event in happened:
        path_manager.observe(event)
    return actions(path_manager.due(now_s))


def recorded() -> list[Event]:
    return [event for event in events("events-linux-6.12", 0x15) if isinstance(event, Event)]


def test_the_recorded_connections_one_event_at_a_time() -> None:
    path_manager = manager(close_initial=True)
    assert [(event.type.name, after(path_manager, event)) for event in recorded()] == [
        ("CREATED", []),
        ("ESTABLISHED", [("backup", FIRST), ("announce", FIRST)]),
        ("SUB_ESTABLISHED", [("close-initial", FIRST)]),
        ("CREATED", []),
        ("ESTABLISHED", [("backup", SECOND), ("announce", SECOND)]),
        ("SUB_CLOSED", []),
        ("SUB_ESTABLISHED", [("close-initial", SECOND)]),
        ("SUB_CLOSED", []),
        ("CLOSED", []),
        ("CLOSED", []),
    ]
    assert path_manager.counts == {"connections": 2, "joined": 2}
    assert len(path_manager) == 0


def test_without_close_the_initial_subflow_stays() -> None:
    path_manager = manager()
    taken = [action for event in recorded() for action, _ in after(path_manager, event)]
    assert taken == ["backup", "announce", "backup", "announce"]


def test_without_backup_the_address_is_announced_alone() -> None:
    assert after(manager(backup=False), ESTABLISHED) == [("announce", 1)]


def test_the_commands_name_the_ends_as_the_event_did() -> None:
    path_manager = manager(address_id=7)
    path_manager.observe(ESTABLISHED)
    backup, announce = (_decoded(command.message) for command in path_manager.due(0))
    ends = [backup.get_attr(f"MPTCP_PM_ATTR_ADDR{end}") for end in ("", "_REMOTE")]
    assert [end.get_attr("MPTCP_PM_ADDR_ATTR_ADDR4") for end in ends] == ["10.9.1.80", "10.9.1.2"]
    assert [end.get_attr("MPTCP_PM_ADDR_ATTR_PORT") for end in ends] == [80, 4000]
    address = announce.get_attr("MPTCP_PM_ATTR_ADDR")
    assert address.get_attr("MPTCP_PM_ADDR_ATTR_ADDR4") == "10.9.3.101"
    assert address.get_attr("MPTCP_PM_ADDR_ATTR_ID") == 7
    assert address.get_attr("MPTCP_PM_ADDR_ATTR_PORT") is None


def _decoded(message: mptcp_msg) -> mptcp_msg:
    message["header"].update(type=0x15, flags=5, sequence_number=1, pid=0)
    message.encode()
    read = mptcp_msg(message.data)
    read.decode()
    return read


def test_a_connection_that_came_and_went_costs_no_command() -> None:
    path_manager = manager(close_initial=True)
    assert after(path_manager, *recorded()) == []
    assert path_manager.counts["connections"] == 2


def test_a_join_that_came_and_went_does_not_close_the_initial_subflow() -> None:
    path_manager = manager(close_initial=True)
    assert after(path_manager, ESTABLISHED, JOINED, JOIN_CLOSED) == [("backup", 1), ("announce", 1)]
    assert after(path_manager, JOINED) == [("close-initial", 1)]


def test_a_failed_join_or_one_to_another_address_does_not_close_the_initial_subflow() -> None:
    path_manager = manager(close_initial=True)
    after(path_manager, ESTABLISHED)
    assert after(path_manager, replace(JOINED, error=111)) == []
    assert after(path_manager, replace(JOINED, local=LOCAL)) == []


def test_our_own_outgoing_connections_are_left_alone() -> None:
    assert after(manager(), replace(ESTABLISHED, server_side=False)) == []


@pytest.mark.parametrize(
    ("local", "unique"),
    [
        (SocketAddress("10.9.3.101", 80), UNIQUE),
        (SocketAddress("::ffff:10.9.3.101", 80), UNIQUE),
        (SocketAddress("10.9.3.101", 8080), replace(UNIQUE, port=8080)),
        (SocketAddress("fd09:3::101", 80), SocketAddress("FD09:3:0::101")),
    ],
)
def test_a_connection_to_the_unique_address_itself_is_left_alone(local: SocketAddress, unique: SocketAddress) -> None:
    path_manager = manager(unique=(unique,), close_initial=True)
    assert after(path_manager, replace(ESTABLISHED, local=local), replace(JOINED, local=local)) == []
    assert path_manager.counts == {"connections": 1, "already-unique": 1}


def test_the_same_address_with_another_port_is_another_way_in() -> None:
    path_manager = manager(unique=(SocketAddress("10.9.1.80", 8080),), close_initial=True)
    assert after(path_manager, ESTABLISHED) == [("backup", 1), ("announce", 1)]
    assert after(path_manager, replace(JOINED, local=LOCAL)) == []
    assert after(path_manager, replace(JOINED, local=SocketAddress("10.9.1.80", 8080))) == [("close-initial", 1)]


def test_announcements_are_repeated_at_doubling_intervals_until_a_join() -> None:
    path_manager = manager(repeat_s=0.2, backup=False)
    assert after(path_manager, ESTABLISHED, now_s=10.0) == [("announce", 1)]
    assert path_manager.deadline() == pytest.approx(10.2)
    assert actions(path_manager.due(10.1)) == []
    assert actions(path_manager.due(10.2)) == [("repeat-announce", 1)]
    assert path_manager.deadline() == pytest.approx(10.6)
    assert after(path_manager, JOINED, now_s=10.3) == []
    assert actions(path_manager.due(10.6)) == []
    assert path_manager.deadline() is None


def test_repeating_comes_to_an_end_for_a_client_that_never_joins() -> None:
    path_manager = manager(repeat_s=0.2, backup=False)
    after(path_manager, ESTABLISHED)
    times = []
    while (deadline := path_manager.deadline()) is not None:
        times += [round(deadline, 6)] * len(path_manager.due(deadline))
    assert times == [round(0.2 * (2**number - 1), 6) for number in range(1, MAX_REPEATS + 1)]


def test_repeating_ends_with_the_connection() -> None:
    path_manager = manager(repeat_s=0.2)
    after(path_manager, ESTABLISHED)
    assert after(path_manager, CLOSED, now_s=0.2) == []
    assert path_manager.deadline() is None


def test_by_default_repeating_is_left_to_the_kernel() -> None:
    path_manager = manager()
    after(path_manager, ESTABLISHED)
    assert path_manager.deadline() is None


SUBFLOW = Subflow(1, LOCAL, REMOTE, initial=True, server_side=True, backup=False, fully_established=True)
JOIN_SUBFLOW = replace(SUBFLOW, local=JOIN_LOCAL, remote=JOIN_REMOTE, initial=False)


def test_connections_that_were_there_before_are_adopted() -> None:
    path_manager = manager()
    path_manager.resynchronise([SUBFLOW])
    assert actions(path_manager.due(0)) == [("backup", 1), ("announce", 1)]
    assert path_manager.counts == {"connections": 1, "adopted": 1}


def test_what_an_earlier_daemon_did_is_not_done_again() -> None:
    found, _ = subflows.decode(datagrams("subflows-linux-6.12")[0])
    path_manager = manager(close_initial=True)
    path_manager.resynchronise(found)
    assert actions(path_manager.due(0)) == [("close-initial", 0x0E752882), ("close-initial", 0xCAEB9DD0)]
    assert path_manager.counts == {"connections": 2, "adopted": 2, "joined": 2}


@pytest.mark.parametrize("lacks", ["initial", "server_side", "fully_established"])
def test_only_initial_fully_established_subflows_of_the_server_side_are_adopted(lacks: str) -> None:
    path_manager = manager()
    path_manager.resynchronise([replace(SUBFLOW, **{lacks: False})])
    assert actions(path_manager.due(0)) == []


@pytest.mark.parametrize(
    ("unique", "why"), [(LOCAL, "already-unique"), (SocketAddress("fd00::1"), "no-unique-address")]
)
def test_a_connection_that_is_left_alone_counts_once_however_often_it_is_seen(unique: SocketAddress, why: str) -> None:
    path_manager = manager(unique=(unique,))
    after(path_manager, ESTABLISHED)
    for _ in range(3):
        path_manager.resynchronise([SUBFLOW])
    assert path_manager.counts == {"connections": 1, why: 1}
    path_manager.resynchronise([])
    path_manager.resynchronise([SUBFLOW])  # another one with the same token
    assert path_manager.counts == {"connections": 2, why: 2, "adopted": 1}


def test_a_missed_join_is_found() -> None:
    path_manager = manager(close_initial=True, repeat_s=1)
    after(path_manager, ESTABLISHED)
    path_manager.resynchronise([SUBFLOW, JOIN_SUBFLOW])
    assert actions(path_manager.due(5)) == [("close-initial", 1)]
    assert path_manager.counts == {"connections": 1, "joined": 1}


def test_a_missed_end_is_found() -> None:
    path_manager = manager(repeat_s=1)
    after(path_manager, ESTABLISHED)
    path_manager.resynchronise([])
    assert len(path_manager) == 0
    assert actions(path_manager.due(5)) == []


def test_an_event_after_the_look_at_the_subflows_changes_nothing() -> None:
    path_manager = manager()
    path_manager.resynchronise([SUBFLOW])
    path_manager.due(0)
    assert after(path_manager, ESTABLISHED) == []
    assert path_manager.counts["connections"] == 1


def test_a_token_that_is_used_again_is_another_connection() -> None:
    path_manager = manager()
    after(path_manager, ESTABLISHED)
    assert after(path_manager, replace(ESTABLISHED, remote=replace(REMOTE, port=4001))) == [
        ("backup", 1),
        ("announce", 1),
    ]


LIFE = st.lists(st.sampled_from([ESTABLISHED, JOINED, INITIAL_CLOSED, JOIN_CLOSED, CLOSED, "look", "act"]), max_size=30)


@given(LIFE)
def test_whatever_happens_the_last_way_to_the_client_is_not_closed(life: list[Event | str]) -> None:
    path_manager = manager(close_initial=True, repeat_s=1)
    state = {"established": False, "initial": False, "join": False}
    asked: list[tuple[str, int]] = []
    for step in life:
        if step == "act":
            todo = actions(path_manager.due(0))
            if ("close-initial", 1) in todo:
                assert state == {"established": True, "initial": True, "join": True}
            asked += todo
        elif step == "look":
            there = [subflow for name, subflow in (("initial", SUBFLOW), ("join", JOIN_SUBFLOW)) if state[name]]
            path_manager.resynchronise(there if state["established"] else [])
        else:
            assert isinstance(step, Event)
            if not _possible(step, state):
                continue
            path_manager.observe(step)
            if step is CLOSED:
                asked.clear()
    for action in ("backup", "announce", "close-initial"):
        assert asked.count((action, 1)) <= 1


def _possible(event: Event, state: dict[str, bool]) -> bool:
    """Whether the kernel could tell this now; if so, the state after it."""
    if event is ESTABLISHED:
        if state["established"]:
            return False
        state.update(established=True, initial=True, join=False)
        return True
    if not state["established"]:
        return False
    name, value = {
        id(JOINED): ("join", True),
        id(INITIAL_CLOSED): ("initial", False),
        id(JOIN_CLOSED): ("join", False),
        id(CLOSED): ("established", False),
    }[id(event)]
    if state[name] == value:
        return False
    state[name] = value
    return True
