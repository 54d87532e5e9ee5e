"""Buckets of a hash: who has them, and which of them change hands when a server leaves."""

from __future__ import annotations

import pytest

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


def test_the_order_of_the_pool_does_not_matter() -> None:
    assert assign(64, SERVERS) == assign(64, SERVERS[::-1])
