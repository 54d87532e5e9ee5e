"""The filter of a unique address: what its table says, in either family."""

from __future__ import annotations

import pytest

from testbed.net import joins_only


@pytest.mark.parametrize(("address", "ip"), [("10.0.3.101", "ip"), ("fd00:3::101", "ip6")])
def test_joins_to_the_services_port_pass_and_no_other_syn(address: str, ip: str) -> None:
    arriving = joins_only.table(address, 80, "drop").chains["arriving"]
    assert arriving[1:] == (
        f'iifname != "lo" {ip} daddr {address} tcp dport 80 tcp flags syn / fin,syn,rst,ack '
        'tcp option mptcp subtype 1 tcp option mptcp length 12 counter name "joins" accept',
        f'iifname != "lo" {ip} daddr {address} tcp flags syn / syn,ack counter name "refused" drop',
    )


def test_what_is_refused_may_be_reset() -> None:
    assert joins_only.table("10.0.3.101", 80, "reset").chains["arriving"][2].endswith("reject with tcp reset")


def test_a_syn_ack_leaves_that_is_a_joins_and_no_other() -> None:
    leaving = joins_only.table("10.0.3.101", 80, "drop").chains["leaving"]
    assert leaving[1].endswith("tcp option mptcp subtype 1 tcp option mptcp length 16 accept")
    assert leaving[2] == (
        'oifname != "lo" ip saddr 10.0.3.101 tcp flags syn,ack / fin,syn,rst,ack counter name "unasked" drop'
    )
