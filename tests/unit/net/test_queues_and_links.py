"""What `ip` and `tc` are told of links and queues, and what is not believed of what they show."""

from __future__ import annotations

import pytest

from testbed.base.errors import ReadbackError
from testbed.net import netem, queues, tbf
from testbed.net.netns import here
from testbed.nodes import PlannedInterface, _addresses
from topologies.links import Direction


def test_an_interface_that_is_not_there_yet_notes_what_it_is_given() -> None:
    interface = PlannedInterface("c-eth0")
    interface.setMAC("00:00:00:00:00:01")
    interface.setIP("10.0.1.2/24")
    assert interface.isUp(setUp=True) and not interface.exists
    assert (interface.MAC(), interface.IP()) == ("00:00:00:00:00:01", "10.0.1.2")
    assert [*_addresses(interface)] == ["address add 10.0.1.2/24 broadcast + dev c-eth0"]


def test_an_address_of_ipv6_is_there_at_once_and_beside_that_of_ipv4() -> None:
    interface = PlannedInterface("c-eth0", further_ips=("fd00:1::2/64",))
    interface.setIP("10.0.1.2/24")
    assert [*_addresses(interface)] == [
        "address add 10.0.1.2/24 broadcast + dev c-eth0",
        "address add fd00:1::2/64 nodad dev c-eth0",
    ]


@pytest.mark.parametrize("prefix", [31, 32])
def test_a_network_of_one_or_two_addresses_has_none_for_all(prefix: int) -> None:
    interface = PlannedInterface("c-eth0")
    interface.setIP("10.0.1.2", prefix)
    assert [*_addresses(interface)] == [f"address add 10.0.1.2/{prefix} dev c-eth0"]


def test_a_delay_of_one_direction_is_in_its_own_queue() -> None:
    queue = netem.queue("c-eth0", Direction(10**8, 0.02, 0.01), "packets")
    assert queue.words == ("limit", "1000", "delay", "20000us", "loss", "1%", "rate", "100000000bit", "24")


def test_a_delay_is_told_to_the_nanosecond_and_shown_in_microseconds() -> None:
    queue = netem.queue("c-eth0", Direction(10**8, 0.00264941, 0.0), "packets")
    assert queue.words[2:4] == ("delay", "2649.41us")
    shown = {"rate": {"rate": queue.settings["rate_Bps"], "packetoverhead": 24}, "limit": 1000}
    assert queues._compared(here(), queue, {**shown, "delay": {"delay": 0.002648}}) == queue.settings
    for other in (0.002646, 0.002652, 0.0):
        with pytest.raises(ReadbackError, match=r"netem delay_s on .* c-eth0"):
            queues._compared(here(), queue, {**shown, "delay": {"delay": other}})


def test_a_queue_with_another_rate_than_it_was_given_is_not_believed() -> None:
    queue = tbf.queue("c-eth0", 10**8)
    rate = queue.settings["rate_Bps"]
    assert queues._compared(here(), queue, {"rate": rate}) == queue.settings
    with pytest.raises(ReadbackError, match=r"tbf rate_Bps on .* c-eth0"):
        queues._compared(here(), queue, {"rate": rate - 1})


def test_a_queue_of_another_kind_is_not_believed() -> None:
    with pytest.raises(ReadbackError, match=r"queue of .* c-eth0"):
        queues._compared(here(), tbf.queue("c-eth0", 10**8), None)
