"""Results of real runs: mptcp_join.sh with an address cut out and without iptables, pm_netlink.sh as it is."""

from pathlib import Path

from testbed.kernel.ktap import Subtest, last_words, parse

DATA = Path(__file__).with_name("data")
CONNECT = """\
INFO: set ns4-PhsGKb dev ns4eth3: ethtool -K  gro off
01 New MPTCP socket can be blocked via sysctl                           [ OK ]
17 ns1 MPTCP -> ns4 (10.0.3.1:10014      ) MPTCP     (duration  1364ms) [FAIL] client exit code 2, server 124
TcpActiveOpens                  2                  0.0
18 ns1 MPTCP -> ns4 (10.0.3.1:10014      ) MPTCP     (duration  1430ms) [ OK ]

TAP version 13
1..3
ok 1 - mptcp_connect: New MPTCP socket can be blocked via sysctl # time=3ms
not ok 2 - mptcp_connect: multihosts: ns1 MPTCP -> ns4 (10.0.3.1:10014      ) MPTCP # time=1364ms
ok 3 - mptcp_connect: multihosts: ns1 MPTCP -> ns4 (10.0.3.1:10014      ) MPTCP # time=1430ms
"""


def test_a_run_without_failures_gives_every_subtest_in_order() -> None:
    found = parse((DATA / "pm_netlink.txt").read_text())
    assert found is not None
    assert len(found) == 22 and {test.outcome for test in found} == {"ok"}
    assert (found[0], found[18].name) == (Subtest("defaults addr list", "ok"), "(nobackup)")


def test_failures_and_skips_come_with_what_the_script_said() -> None:
    passed, failed, skipped = parse((DATA / "mptcp_join.txt").read_text()) or ()
    assert passed == Subtest("single subflow", "ok", "", 201)
    assert (failed.name, failed.outcome) == ("multiple subflows", "fail")
    assert failed.note.startswith("syn rx: got 1 JOIN[s] syn rx expected 2; synack rx: got 1")
    assert failed.note.endswith("syn tx bind error: got 1 JOIN[s] syn tx bind error expected 0")
    assert skipped == Subtest("signal address, ADD_ADDR timeout", "skip", "unable to set the 'add addr' rule", 1)


def test_a_failure_is_explained_though_its_heading_lacks_the_group_and_a_second_one_gets_a_number() -> None:
    first, failed, again = parse(CONNECT) or ()
    assert first.outcome == "ok"
    assert failed.name == "multihosts: ns1 MPTCP -> ns4 (10.0.3.1:10014 ) MPTCP"
    assert failed.note == "client exit code 2, server 124"
    assert again == Subtest(f"{failed.name} (2)", "ok", "", 1430)


def test_a_failure_that_the_test_calls_flaky_is_no_failure() -> None:
    text = "001 a\n  x   [IGNO] (flaky) got 1\n1..1\nok 1 - mptcp_join: a # IGNORE Flaky time=9ms\n"
    assert parse(text) == (Subtest("a", "ignored", "x: (flaky) got 1", 9),)


def test_a_comment_of_the_result_counts_where_the_script_said_nothing() -> None:
    text = "1..1\nnot ok 1 - pm_netlink: set limits # error 2 time=9ms\n"
    assert parse(text) == (Subtest("set limits", "fail", "error 2", 9),)


def test_output_without_all_results_gives_none() -> None:
    whole = (DATA / "mptcp_join.txt").read_text()
    assert parse(whole.replace("1..3", "1..4")) is None
    assert parse(whole.partition("TAP version")[0]) is None
    assert parse("") is None


def test_the_last_words_say_why_a_script_ended() -> None:
    assert last_words("a\n[SKIP] Could not run all tests without iptables\n\n") == (
        "Could not run all tests without iptables"
    )
    assert last_words("") == "no output"


def test_numbers_that_no_script_prints_are_no_numbers() -> None:
    digits = "9" * 5000
    assert parse(f"TAP version 13\n1..{digits}\nok 1 - a\n") is None
    (found,) = parse(f"TAP version 13\n1..1\nok 1 - mptcp_connect: a # time={digits}ms\n") or ()
    assert (found.outcome, found.clock_ms) == ("ok", 0)
