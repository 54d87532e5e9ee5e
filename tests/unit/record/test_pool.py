"""Who is in the pool, and has power, after one change and another."""

from __future__ import annotations

import pytest

from testbed.record.pool import Pool


def test_a_server_that_is_drained_keeps_what_it_has_until_it_is_removed() -> None:
    pool = Pool(["s1", "s2"])
    pool.change("server-drained", "s1")
    assert (pool.servers, pool.drained, pool.gone) == (["s2"], ["s1"], set())
    pool.change("server-removed", "s1")
    assert (pool.servers, pool.drained, pool.gone) == (["s2"], [], {"s1"})
    pool.change("server-added", "s1")
    assert (pool.servers, pool.drained, pool.gone) == (["s1", "s2"], [], set())


def test_a_crashed_server_stays_in_the_pool_and_sends_nothing() -> None:
    pool = Pool(["s1", "s2"])
    pool.change("server-crashed", "s1")
    assert (pool.servers, pool.gone) == (["s1", "s2"], {"s1"})
    pool.change("server-back", "s1")
    assert pool.gone == set()


def test_directors_are_lost_one_after_another_but_for_the_last() -> None:
    pool = Pool(["s1"], directors=3)
    assert pool.problem("director-lost", director=2) == ""
    pool.change("director-lost", director=2)
    assert pool.present == [1, 3]
    assert pool.problem("director-lost", director=2) == "director 2 is lost already"
    pool.change("director-lost", director=3)
    assert pool.problem("director-lost", director=1) == "no director is left"
    pool.change("director-back", director=2)
    assert pool.present == [1, 2]


def test_a_flip_turns_the_paths_that_there_are() -> None:
    pool = Pool(["s1", "s2", "s3"])
    pool.change("path-flipped", places=1)
    assert pool.in_order(pool.servers) == ["s2", "s3", "s1"]
    pool.change("path-flipped", places=1)
    assert pool.in_order(pool.servers) == ["s3", "s1", "s2"]
    assert pool.in_order(["s1", "s3"]) == ["s1", "s3"]
    assert "a flip by 3 leads every flow where it was" in pool.problem("path-flipped", places=3)


@pytest.mark.parametrize(
    ("sick", "in_use"),
    [
        ((), {"s1", "s2", "s3"}),
        (("s1",), {"s2", "s3"}),
        (("s3",), {"s1", "s2"}),
        (("s1", "s2"), {"s1", "s2", "s3"}),
        (("s1", "s2", "s3"), {"s1", "s2"}),
        (("s4",), {"s1", "s2", "s3"}),
    ],
)
def test_who_is_found_sick_is_out_unless_all_are(sick: tuple[str, ...], in_use: set[str]) -> None:
    pool = Pool(["s1", "s2", "s3", "s4"])
    pool.change("server-drained", "s3")
    pool.change("server-removed", "s4")
    assert pool.in_use(sick) == in_use


def test_what_one_director_finds_sick_is_outside_once_all_do() -> None:
    pool = Pool(["s1", "s2"], directors=2)
    pool.change("server-removed", "s1", by="d1")
    assert (pool.outside, pool.gone) == (set(), set())
    pool.change("server-removed", "s1", by="d2")
    assert (pool.outside, pool.gone) == ({"s1"}, {"s1"})
    pool.change("server-added", "s1", by="d1")
    assert pool.outside == set()
    pool.change("server-removed", "s1")  # by the timetable, whatever they find
    assert pool.outside == {"s1"}


def test_what_is_no_change_changes_nothing() -> None:
    pool = Pool(["s1"])
    pool.change("workload-ended")
    assert pool == Pool(["s1"])
