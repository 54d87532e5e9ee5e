"""Which address the path manager announces: that of the connection's IP version, or one that its socket takes, too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.net.mptcp_pm.addresses import SocketAddress
from testbed.net.mptcp_pm.events import Event
from testbed.net.mptcp_pm.messages import EventType, mptcp_msg
from testbed.path_manager.figure4 import PathManager, Settings

FOUR, SIX = SocketAddress("10.9.3.101"), SocketAddress("fd09:3::101")
ESTABLISHED = Event(
    EventType.ESTABLISHED, 1, SocketAddress("10.9.1.80", 80), SocketAddress("10.9.1.2", 4000), server_side=True
)
JOINED = Event(EventType.SUB_ESTABLISHED, 1, SocketAddress("10.9.3.101", 80), SocketAddress("10.9.3.2", 5000))


def manager(*unique: SocketAddress, backup: bool = True, close_initial: bool = False) -> PathManager:
    return PathManager(Settings(unique, backup=backup, close_initial=close_initial))


def after(path_manager: PathManager, event: Event) -> list[str]:
    path_manager.observe(event)
    return [command.action for command in path_manager.due(0)]


def announced_families(path_manager: PathManager) -> list[int]:
    found = []
    for command in path_manager.due(0):
        command.message.encode()
        message = mptcp_msg(command.message.data)
        message.decode()
        found.append(message.get_attr("MPTCP_PM_ATTR_ADDR").get_attr("MPTCP_PM_ADDR_ATTR_FAMILY"))
    return found


def test_each_connection_gets_the_address_of_its_ip_version() -> None:
    path_manager = manager(FOUR, SIX, backup=False)
    path_manager.observe(replace(ESTABLISHED, token=4))
    path_manager.observe(replace(ESTABLISHED, token=46, local=SocketAddress("::ffff:10.9.1.80", 80)))
    path_manager.observe(replace(ESTABLISHED, token=6, local=SocketAddress("fd09:1::80", 80)))
    assert announced_families(path_manager) == [2, 2, 10]


def test_a_socket_of_ipv4_for_which_there_is_no_address_is_counted() -> None:
    path_manager = manager(SIX)
    assert after(path_manager, ESTABLISHED) == []
    assert path_manager.counts["no-unique-address"] == 1


@pytest.mark.parametrize(
    ("local", "unique", "joins_to"),
    [("::ffff:10.9.1.80", SIX, "fd09:3::101"), ("fd09:1::80", FOUR, "::ffff:10.9.3.101")],
)
def test_a_socket_of_ipv6_gets_the_address_of_the_other_version_where_there_is_no_other(
    local: str, unique: SocketAddress, joins_to: str
) -> None:
    path_manager = manager(unique, close_initial=True)
    assert after(path_manager, replace(ESTABLISHED, local=SocketAddress(local, 80))) == ["backup", "announce"]
    assert after(path_manager, replace(JOINED, local=SocketAddress(joins_to, 80))) == ["close-initial"]
