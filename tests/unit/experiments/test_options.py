"""`--set`: what it changes, and in which words it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiment_texts import DOWNLOADS, PAGE_LOADS

from experiments import plan
from testbed.base.errors import UsageError
from testbed.base.text import plain


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("workload.concurrency=abc", "workload.concurrency must be a whole number, not 'abc'"),
        ("workload.concurency=20", "unknown key 'concurency' in [workload] (did you mean 'concurrency'?)"),
        ("topolgy.servers=2", "unknown key 'topolgy' (did you mean 'topology'?)"),
        ("client_director.delay=20ms", "unknown key 'client_director' (did you mean 'topology.client_director'?)"),
        ("concurrency=20", "unknown key 'concurrency' (did you mean 'workload.concurrency'?)"),
        (
            "topology.client_director.rate=0 Mbit/s",
            "topology.client_director.rate: '0 Mbit/s': a rate must be above zero",
        ),
        (
            "topology.client_director.delay=20",
            'topology.client_director.delay: 20 has no unit: a duration is a text such as "20 ms"',
        ),
        (
            "workload=5",
            "workload must be a table or a name (one of: long-downloads, page-loads, page-loads-and-syns, or a file of "
            "your own)",
        ),
        (
            "workload.sizes=10 KB,20",
            "workload.sizes[1]: '20' has no unit: a size is written with one of B, KB, MB, GB, KiB, MiB, GiB",
        ),
        ("workload.sizes=5", "workload.sizes must be a list, not 5"),
        ("workload.concurrency=1\nx=2", "workload.concurrency must be a whole number, not '1\\nx=2'"),
        (
            "profile.quick.workload.total=1 GB",
            "an option cannot change 'profile'",
        ),
        ("name=other", "an option cannot change 'name'"),
        ("servers", "not of the form KEY=VALUE (for example --set workload.concurrency=20)"),
        ("=3", "not of the form KEY=VALUE (for example --set workload.concurrency=20)"),
        ("workload..total=3", "not of the form KEY=VALUE (for example --set workload.concurrency=20)"),
        (
            "sysctl.kernel.panic=1",
            "sysctl.kernel.panic: 'kernel.panic' is not the name of a sysctl below net, in quotes: "
            '"net.ipv4.tcp_rmem"',
        ),
    ],
)
def test_a_bad_option_is_refused_by_its_name(option: str, message: str) -> None:
    Path("x.toml").write_text(PAGE_LOADS)
    experiment = plan.load(Path("x.toml"))
    with pytest.raises(UsageError) as caught:
        plan.plan(experiment, overrides=[option])
    assert str(caught.value) == plain(f"--set {option}: {message}")


@pytest.mark.usefixtures("folder")
def test_an_option_that_makes_the_file_wrong_is_named_with_the_line_it_breaks() -> None:
    Path("x.toml").write_text(DOWNLOADS)
    experiment = plan.load(Path("x.toml"))
    with pytest.raises(UsageError) as caught:
        plan.plan(experiment, overrides=["timetable.cycle=9 s"])
    assert str(caught.value) == (
        "--set timetable.cycle=9 s: timetable.up: up = 10 s must be shorter than cycle = 9 s (x.toml:19)"
    )


@pytest.mark.usefixtures("folder")
def test_options_override_the_profile_and_the_later_one_wins() -> None:
    Path("x.toml").write_text(PAGE_LOADS)
    overrides = [
        "topology.client_director.delay=30ms",
        "topology.client_director.delay=40 ms",
        'topology.client_director.loss="2 %"',
        "mptcp.add_addr_timeout=0 s",
        "mptcp.deny_join=false",
        "mptcp.repeat_announce=200 ms",
        "mptcp.path_manager=userspace",
        "mptcp.add_addr_resend_interval=7 ms",
        "mptcp.lb_mode=close",
        "mptcp.cwnd_push=all",
        "mptcp.join_syn_rto_min=50 ms",
        "sysctl.net.ipv4.tcp_rmem=4096 131072 6291456",
        'sysctl."net.mptcp.close_timeout"=5',
        "workload.sizes=10KB, 20 KB",
        "workload.total=1 GB",
        'protocols=["mptcp"]',
        "clocks=real",
    ]
    points = plan.plan(plan.load(Path("x.toml")), overrides=overrides)
    assert [point.id for point in points] == ["mine-mptcp-10KB-real-seed1", "mine-mptcp-20KB-real-seed1"]
    parameters = points[1].parameters
    assert parameters["client_director_delay_s"] == 0.04
    assert parameters["client_director_loss"] == 0.02
    assert parameters["add_addr_timeout_s"] == 0
    assert parameters["deny_join"] is False
    assert (parameters["path_manager"], parameters["repeat_announce_s"]) == ("userspace", 0.2)
    assert parameters["add_addr_resend_interval_s"] == 0.007
    assert parameters["lb_mode"] == "close"
    assert parameters["enforce_deny_join"] is False
    assert parameters["cwnd_push"] == "all"
    assert parameters["join_syn_rto_min_s"] == 0.05
    assert parameters["requests"] == 50_000
    assert parameters["sysctl"] == {
        "net.ipv4.tcp_tso_rtt_log": 30,
        "net.ipv4.tcp_rmem": "4096 131072 6291456",
        "net.mptcp.close_timeout": 5,
    }
