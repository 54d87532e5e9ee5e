"""What is refused in an experiment file or in a `--set`, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import plan
from testbed.base.errors import ConfigError, UsageError
from testbed.base.text import plain

PAGE_LOADS = """\
version = 2
name = "mine"
title = "My page loads"
director = "ipvs-nat"
protocols = ["tcp", "mptcp"]
[topology]
part = "load-balancer"
servers = 2
client_director = { rate = "100 Mbit/s", delay = "20 ms", loss = "1 %" }
direct = { rate = "1 Gbit/s" }
director_server = { rate = "1 Gbit/s" }
[workload]
part = "page-loads"
sizes = ["10 KB", "1000 KB"]
concurrency = 10
total = "4 GB"

[mptcp]
add_addr_timeout = "1 s"

[sysctl]
"net.ipv4.tcp_tso_rtt_log" = 30

[profile.quick]
workload.total = "100 MB"
"""

DOWNLOADS = """\
version = 2
name = "mine"
title = "My downloads"
director = "ecmp"
protocols = ["tcp"]
[topology]
part = "anycast"
servers = 3
client_rate = "10 Gbit/s"
server_rate = "1 Gbit/s"
[workload]
part = "long-downloads"
concurrency = 300
size = "100 MB"
duration = "120 s"
[timetable]
part = "rotation"
cycle = "15 s"
up = "10 s"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(text: str) -> str:
    path = Path("x.toml")
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        plan.load(path)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("text", [PAGE_LOADS, DOWNLOADS])
def test_the_files_that_the_tables_below_break_are_good(text: str) -> None:
    Path("x.toml").write_text(text)
    assert plan.load(Path("x.toml")).name == "mine"


RATE_UNITS = "bit/s, kbit/s, Mbit/s, Gbit/s"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        # unknown keys
        (
            "concurrency = 10",
            "concurency = 10",
            "x.toml:15: unknown key 'concurency' in [workload] (did you mean 'concurrency'?)",
        ),
        (
            "concurrency = 10",
            "concurrency = 10\nxyz = 1",
            "x.toml:16: unknown key 'xyz' in [workload] "
            "(valid keys: part, direction, sizes, concurrency, total, min_requests, max_requests, requests, "
            "large_reads)",
        ),
        (
            'delay = "20 ms"',
            'dealy = "20 ms"',
            "x.toml:9: unknown key 'dealy' in [topology.client_director] (did you mean 'delay'?)",
        ),
        ("[mptcp]", "[mtpcp]", "x.toml:18: unknown key 'mtpcp' (did you mean 'mptcp'?)"),
        (
            'title = "My',
            'total = "4 GB"\ntitle = "My',
            "x.toml:3: unknown key 'total' (did you mean 'workload.total'?)",
        ),
        (
            'name = "mine"',
            'name = "mine"\nadd_addr_timeout = "1 s"',
            "x.toml:3: unknown key 'add_addr_timeout' (did you mean 'mptcp.add_addr_timeout'?)",
        ),
        (
            'direct = { rate = "1 Gbit/s" }',
            'direct.rate = "1 Gbit/s"\ndirect.jitter = "1 ms"',
            "x.toml:11: unknown key 'jitter' in [topology.direct] (valid keys: rate, delay, loss)",
        ),
        # units
        (
            'rate = "100 Mbit/s"',
            "rate = 100",
            'x.toml:9: topology.client_director.rate: 100 has no unit: a rate is a text such as "100 Mbit/s"',
        ),
        (
            'rate = "100 Mbit/s"',
            'rate = "100"',
            f"x.toml:9: topology.client_director.rate: '100' has no unit: a rate is written with one of {RATE_UNITS}",
        ),
        (
            'rate = "100 Mbit/s"',
            'rate = "100 MB"',
            f"x.toml:9: topology.client_director.rate: 'MB' is not a unit of a rate: use one of {RATE_UNITS}",
        ),
        (
            '"10 KB", ',
            '"10 KB",\n"10 Mbit/s",\n',
            "x.toml:15: workload.sizes[1]: 'Mbit/s' is not a unit of a size: use one of B, KB, MB, GB, KiB, MiB, GiB",
        ),
        ('total = "4 GB"', "total = true", 'x.toml:16: workload.total: a size is a text such as "10 KB"'),
        # values that cannot be
        (
            'rate = "100 Mbit/s"',
            'rate = "0 Mbit/s"',
            "x.toml:9: topology.client_director.rate: '0 Mbit/s': a rate must be above zero",
        ),
        (
            'loss = "1 %"',
            'loss = "150 %"',
            "x.toml:9: topology.client_director.loss: '150 %': a share lies between 0 % and 100 %",
        ),
        (
            'loss = "1 %"',
            'loss = "100 %"',
            "x.toml:9: topology.client_director.loss: a loss of 100 % lets nothing through",
        ),
        (
            'delay = "20 ms"',
            'delay = "-20 ms"',
            "x.toml:9: topology.client_director.delay: '-20 ms': a duration cannot be negative",
        ),
        ("servers = 2", "servers = 0", "x.toml:8: topology.servers must be at least 1, not 0"),
        ("servers = 2", "servers = 65", "x.toml:8: topology.servers must be at most 64, not 65"),
        ("concurrency = 10", "concurrency = 0", "x.toml:15: workload.concurrency must be at least 1, not 0"),
        (
            'add_addr_timeout = "1 s"',
            'add_addr_timeout = "500 ms"',
            "x.toml:19: mptcp.add_addr_timeout: 0.5 s is not a number of whole seconds, "
            "which is all that the kernel's sysctl takes",
        ),
        (
            'add_addr_timeout = "1 s"',
            'path_manager = "daemon"',
            "x.toml:19: mptcp.path_manager: 'daemon' is not one of kernel, userspace",
        ),
        (
            'add_addr_timeout = "1 s"',
            'repeat_announce = "200 ms"',
            "x.toml:19: mptcp.repeat_announce: only the userspace path manager repeats: "
            'path_manager = "userspace"; the kernel has add_addr_timeout',
        ),
        (
            'add_addr_timeout = "1 s"',
            'add_addr_resend_interval = "1500 us"',
            "x.toml:19: mptcp.add_addr_resend_interval: 1.5 ms is not a whole number of milliseconds, "
            "which the kernel's sysctl takes",
        ),
        (
            'add_addr_timeout = "1 s"',
            'add_addr_resend_interval = "3 min"',
            "x.toml:19: mptcp.add_addr_resend_interval: 180 s is above 120 s, the most that the kernel's sysctl takes",
        ),
        (
            'add_addr_timeout = "1 s"',
            'lb_mode = "closed"',
            "x.toml:19: mptcp.lb_mode: 'closed' is not one of off, backup, close (did you mean 'close'?)",
        ),
        (
            'add_addr_timeout = "1 s"',
            "deny_join = false\nenforce_deny_join = true",
            "x.toml:20: mptcp.enforce_deny_join: with deny_join = false there is no C flag to enforce",
        ),
        (
            'total = "4 GB"',
            'total = "4 GB"\nmax_requests = 5',
            "x.toml:17: workload.max_requests: max_requests = 5 is below concurrency = 10",
        ),
        (
            'total = "4 GB"',
            'total = "4 GB"\nmin_requests = 50\nmax_requests = 20',
            "x.toml:18: workload.max_requests: max_requests = 20 is below min_requests = 50",
        ),
        ('sizes = ["10 KB", "1000 KB"]', "sizes = []", "x.toml:14: workload.sizes must not be empty"),
        (
            'sizes = ["10 KB", "1000 KB"]',
            'sizes = ["1000 KB", "1 MB"]',
            "x.toml:14: workload.sizes: the same value stands in the list twice",
        ),
        (
            '"net.ipv4.tcp_tso_rtt_log" = 30',
            '"kernel.panic" = 30',
            "x.toml:22: sysctl.kernel.panic: 'kernel.panic' is not the name of a sysctl below net, in quotes: "
            '"net.ipv4.tcp_rmem"',
        ),
        (
            '"net.ipv4.tcp_tso_rtt_log" = 30',
            "net.ipv4.tcp_tso_rtt_log = 30",
            "x.toml:22: sysctl.net: 'net' is not the name of a sysctl below net, in quotes: \"net.ipv4.tcp_rmem\"",
        ),
        (
            'rtt_log" = 30',
            'rtt_log" = true',
            "x.toml:22: sysctl.net.ipv4.tcp_tso_rtt_log: a sysctl's value is a whole number or a text",
        ),
        # types
        ("servers = 2", 'servers = "2"', "x.toml:8: topology.servers must be a whole number, not '2'"),
        ("servers = 2", "servers = 2.5", "x.toml:8: topology.servers must be a whole number, not 2.5"),
        ("servers = 2", "servers = true", "x.toml:8: topology.servers must be a whole number, not true"),
        ('title = "My page loads"', "title = 7", "x.toml:3: title must be a text in quotes, not 7"),
        ('title = "My page loads"', 'title = ""', "x.toml:3: title must not be empty"),
        ('name = "mine"', 'name = "my/own"', "x.toml:2: name: 'my/own' may have letters, digits, '_' and '-' only"),
        ('["tcp", "mptcp"]', '"tcp"', "x.toml:5: protocols must be a list, not 'tcp'"),
        (
            'direct = { rate = "1 Gbit/s" }',
            'direct = "1 Gbit/s"',
            "x.toml:10: topology.direct must be a table, not '1 Gbit/s'",
        ),
        (
            'add_addr_timeout = "1 s"',
            'deny_join = "yes"',
            "x.toml:19: mptcp.deny_join must be true or false, not 'yes'",
        ),
        # names
        (
            "[mptcp]",
            '[drop]\npacket = "ad-addr"\n[mptcp]',
            "x.toml:19: drop.packet: 'ad-addr' is not one of add-addr, add-addr-echo, mp-prio, join-syn, join-syn-ack "
            "(did you mean 'add-addr'?)",
        ),
        (
            "[mptcp]",
            '[drop]\npacket = "mp-prio"\noccurrence = 0\n[mptcp]',
            "x.toml:20: drop.occurrence must be at least 1, not 0",
        ),
        (
            'add_addr_timeout = "1 s"',
            'add_addr = false\npath_manager = "userspace"',
            "x.toml:20: mptcp.path_manager: the userspace path manager always announces the address: "
            "add_addr = false has no effect",
        ),
        (
            'add_addr_timeout = "1 s"',
            'client_endpoint = "full-mesh"',
            "x.toml:19: mptcp.client_endpoint: 'full-mesh' is not one of none, subflow, fullmesh "
            "(did you mean 'fullmesh'?)",
        ),
        (
            '"load-balancer"',
            '"load-balancr"',
            "x.toml:7: topology.part: 'load-balancr' is not one of anycast, load-balancer "
            "(did you mean 'load-balancer'?)",
        ),
        ('"load-balancer"', "4", "x.toml:7: topology.part must be a text in quotes, not 4"),
        (
            '["tcp", "mptcp"]',
            '["tcp",\n"mptpc"]',
            "x.toml:6: protocols[1]: 'mptpc' is not one of tcp, mptcp (did you mean 'mptcp'?)",
        ),
        ("version = 2", "version = 3", "x.toml:1: version must be 2, not 3"),
        # missing
        ('director = "ipvs-nat"', "", "x.toml:1: missing key 'director' (one of: ecmp, ipvs-nat)"),
        ('total = "4 GB"', "", "x.toml:12: workload: it needs total, or requests"),
        ('rate = "100 Mbit/s", ', "", "x.toml:9: missing key 'rate' in [topology.client_director]"),
        ('title = "My page loads"', "", "x.toml:1: missing key 'title'"),
        ('direct = { rate = "1 Gbit/s" }\n', "", "x.toml:6: missing table [topology.direct]"),
        # profiles
        (
            "workload.total = ",
            "workload.totl = ",
            "x.toml:25: unknown key 'totl' in [profile.quick.workload] (did you mean 'total'?)",
        ),
        (
            '"100 MB"',
            '"100 Mbit"',
            "x.toml:25: workload.total: 'Mbit' is not a unit of a size: use one of B, KB, MB, GB, KiB, MiB, GiB",
        ),
        ("workload.total = ", "name = ", "x.toml:25: a profile cannot change 'name'"),
        ("[profile.quick]\nworkload.", "[profile]\n", "x.toml:25: profile.total must be a table"),
        # several at once
        (
            'servers = 2\nclient_director = { rate = "100 Mbit/s"',
            'servers = 0\nclient_director = { rate = "0 Mbit/s"',
            "x.toml:8: topology.servers must be at least 1, not 0; and 1 more error",
        ),
        (
            'servers = 2\nclient_director = { rate = "100 Mbit/s", delay = "20 ms"',
            'servers = 0\nclient_director = { rate = "0 Mbit/s", dealy = "20 ms"',
            "x.toml:9: unknown key 'dealy' in [topology.client_director]; and 2 more errors (did you mean 'delay'?)",
        ),
        # syntax
        (
            'rate = "100 Mbit/s"',
            "rate = 100 Mbit/s",
            'x.toml:9: not valid TOML: unclosed inline table (a quantity is a text in quotes, such as "100 Mbit/s")',
        ),
    ],
)
def test_a_bad_page_load_file_is_refused_in_one_line(right: str, wrong: str, message: str) -> None:
    assert PAGE_LOADS.count(right) == 1
    assert refusal(PAGE_LOADS.replace(right, wrong)) == message


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ('up = "10 s"', 'up = "15 s"', "x.toml:19: timetable.up: up = 15 s must be shorter than cycle = 15 s"),
        ('up = "10 s"', 'up = "0 s"', "x.toml:19: timetable.up: a duration of 0 makes no sense here"),
        (
            'cycle = "15 s"',
            "cycle = 15",
            'x.toml:18: timetable.cycle: 15 has no unit: a duration is a text such as "20 ms"',
        ),
        ("servers = 3", "servers = 1", "x.toml:18: timetable.cycle: churn with servers = 1 would leave no server"),
        (
            'up = "10 s"',
            'up = "10 s"\norder = "random"',
            "x.toml:20: unknown key 'order' in [timetable] (valid keys: part, cycle, up)",
        ),
        (
            'duration = "120 s"',
            'duration = "120"',
            "x.toml:15: workload.duration: '120' has no unit: a duration is written with one of us, ms, s, min",
        ),
        (
            'server_rate = "1 Gbit/s"',
            'direct = { rate = "1 Gbit/s" }',
            "x.toml:10: unknown key 'direct' in [topology]; and 1 more error "
            "(valid keys: part, servers, client_rate, server_rate)",
        ),
    ],
)
def test_a_bad_download_file_is_refused_in_one_line(right: str, wrong: str, message: str) -> None:
    assert DOWNLOADS.count(right) == 1
    assert refusal(DOWNLOADS.replace(right, wrong)) == message


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
            "workload must be a table or a name (one of: long-downloads, page-loads, or a file of your own)",
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
    assert parameters["requests"] == 50_000
    assert parameters["sysctl"] == {
        "net.ipv4.tcp_tso_rtt_log": 30,
        "net.ipv4.tcp_rmem": "4096 131072 6291456",
        "net.mptcp.close_timeout": 5,
    }


@pytest.mark.usefixtures("folder")
def test_every_file_has_a_quick_and_a_paper_profile_and_may_have_others() -> None:
    Path("x.toml").write_text(PAGE_LOADS + '\n[profile.tiny]\nworkload.sizes = ["10 KB"]\n')
    experiment = plan.load(Path("x.toml"))
    assert list(experiment.profiles) == ["quick", "paper", "tiny"]
    assert [point.parameters["requests"] for point in plan.plan(experiment, "paper")] == [400_000, 4000] * 2
    assert [point.parameters["requests"] for point in plan.plan(experiment, "quick")] == [10_000, 100] * 2
    assert [point.object_bytes for point in plan.plan(experiment, "tiny")] == [10_000] * 2
    with pytest.raises(UsageError) as near:
        plan.plan(experiment, "papr")
    assert str(near.value) == "mine has no profile 'papr' (did you mean 'paper'?)"
    with pytest.raises(UsageError) as far:
        plan.plan(experiment, "xyz")
    assert str(far.value) == "mine has no profile 'xyz' (its profiles: quick, paper, tiny)"


@pytest.mark.usefixtures("folder")
def test_there_are_never_fewer_requests_than_ab_has_connections() -> None:
    Path("x.toml").write_text(PAGE_LOADS.replace('total = "4 GB"', 'total = "25 KB"').partition("[profile")[0])
    points = plan.plan(plan.load(Path("x.toml")))
    assert [point.parameters["requests"] for point in points] == [10, 10, 10, 10]
    points = plan.plan(plan.load(Path("x.toml")), overrides=["workload.concurrency=2"])
    assert [point.parameters["requests"] for point in points] == [3, 2, 3, 2]


@pytest.mark.usefixtures("folder")
def test_nothing_happens_to_the_pool_of_an_experiment_without_a_timetable() -> None:
    Path("x.toml").write_text(DOWNLOADS.partition("[timetable]")[0])
    point = plan.plan(plan.load(Path("x.toml")))[0]
    assert point.names["timetable"] == "none"
    assert "cycle_s" not in point.parameters


@pytest.mark.usefixtures("folder")
def test_a_file_of_the_version_before_is_refused_with_the_cure() -> None:
    said = refusal(PAGE_LOADS.replace("version = 2", "version = 1"))
    assert said.startswith("x.toml:1: this file is of version 1 of the format (write version = 2; ")
    assert '[topology] part = "load-balancer", director = "ipvs-nat"' in said


@pytest.mark.usefixtures("folder")
def test_a_name_alone_is_short_for_the_table_of_a_part() -> None:
    Path("x.toml").write_text(PAGE_LOADS.replace('director = "ipvs-nat"\n', "") + '[director]\npart = "ipvs-nat"\n')
    long = plan.plan(plan.load(Path("x.toml")))
    Path("x.toml").write_text(PAGE_LOADS)
    assert plan.plan(plan.load(Path("x.toml"))) == long
    (other, *_) = plan.plan(plan.load(Path("x.toml")), overrides=["director=ecmp"])
    assert other.names["director"] == "ecmp"
