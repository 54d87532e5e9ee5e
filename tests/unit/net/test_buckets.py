"""Buckets of a hash: who has them, and which of them change hands when a server leaves."""

from __future__ import annotations

import pytest

from experiments import plan
from testbed.base.errors import UsageError
from testbed.net.buckets import assign

SERVERS = [f"10.0.{number}.2" for number in (11, 12, 13, 14)]


def test_without_a_count_there_are_as_many_buckets_as_servers() -> None:
    assert assign(0, SERVERS[:2]) == {0: SERVERS[0], 1: SERVERS[1]}


@pytest.mark.parametrize("gone", SERVERS)
def test_only_the_buckets_of_the_server_that_leaves_change_hands(gone: str) -> None:
    before = assign(256, SERVERS)
    after = assign(256, [server for server in SERVERS if server != gone])
    assert {bucket for bucket in before if before[bucket] != after[bucket]} == {
        bucket for bucket, server in before.items() if server == gone
    }


def test_every_server_has_its_share_of_many_buckets() -> None:
    found = list(assign(1024, SERVERS).values())
    assert [found.count(server) for server in SERVERS] == pytest.approx([256] * 4, rel=0.15)


@pytest.mark.parametrize("director", ["nft", "second-chance", "signalled-port", "resilient"])
def test_fewer_buckets_than_servers_are_refused(director: str) -> None:
    fig07 = plan.load(plan.find("fig07"))
    few = [f'director={{ part = "{director}", buckets = 3 }}', "topology.servers=4"]
    with pytest.raises(UsageError, match="there are 3 for 4 servers: some would get nothing"):
        plan.plan(fig07, overrides=few)
    assert plan.plan(fig07, overrides=[few[0], "topology.servers=3"])


def test_the_order_of_the_pool_does_not_matter() -> None:
    assert assign(64, SERVERS) == assign(64, SERVERS[::-1])
