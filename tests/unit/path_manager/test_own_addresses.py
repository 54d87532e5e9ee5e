"""Each connection is announced an address of its own, by its token; and a daemon is told so as a line of JSON."""

from __future__ import annotations

import json
from pathlib import Path

from testbed.net.mptcp_pm.addresses import SocketAddress
from testbed.net.mptcp_pm.events import Event
from testbed.net.mptcp_pm.messages import EventType, mptcp_msg
from testbed.path_manager.figure4 import Command, PathManager, Settings
from testbed.path_manager.options import OwnAddresses
from testbed.path_manager.service import Task, read

UNIQUE = (SocketAddress("fd00:3::101"),)


def connection(token: int) -> Event:
    local, remote = SocketAddress("fd00:1::80", 80), SocketAddress("fd00:1::2", 40000 + token)
    return Event(EventType.ESTABLISHED, token, local, remote, server_side=True)


def announced(command: Command) -> str:
    command.message.encode()
    message = mptcp_msg(command.message.data)
    message.decode()
    address: str = message.get_attr("MPTCP_PM_ATTR_ADDR").get_attr("MPTCP_PM_ADDR_ATTR_ADDR6")
    return address


def test_each_connection_is_announced_the_address_of_its_token() -> None:
    path_manager = PathManager(Settings(UNIQUE, backup=False), lambda token: SocketAddress(f"fd00:201::{token:x}"))
    for token in (10, 11):
        path_manager.observe(connection(token))
    assert [announced(command) for command in path_manager.due(0)] == ["fd00:201::a", "fd00:201::b"]


def test_a_task_says_where_the_addresses_are_and_one_without_them_is_as_ever() -> None:
    own = OwnAddresses("fd00:201::/64", "fd00:3::101", "s1-eth1", 0.1, Path("/tmp/check"))
    task = Task(Settings(UNIQUE), journal=Path("/tmp/journal"))
    *_, of_task, of_addresses = task.argv(own)
    assert (read(Task, of_task), read(OwnAddresses, of_addresses)) == (task, own)
    assert of_task == task.argv()[-1]
    plain = json.loads(Task(Settings(UNIQUE)).argv()[-1])
    assert plain["options"] == {"take_over": False, "receive_buffer_bytes": 8 << 20}
