"""Values that an experiment file cannot have, and in which words they are refused."""

from __future__ import annotations

import pytest
from experiment_texts import DOWNLOADS, PAGE_LOADS, refusal

RATE_UNITS = "bit/s, kbit/s, Mbit/s, Gbit/s"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
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
            'loss = "1 %"',
            'loss = "0.00000001 %"',
            "x.toml:9: topology.client_director.loss: a loss of 1e-08 % is below 2.3e-08 %, "
            "the least that netem can make",
        ),
        (
            'rate = "100 Mbit/s"',
            'rate = "7 bit/s"',
            "x.toml:9: topology.client_director.rate: a rate is 1 kbit/s at least",
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
            "which is all that the kernel takes here",
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
            'join_syn_rto_min = "2 s"',
            "x.toml:19: mptcp.join_syn_rto_min: 2 s is above 1 s, the most that the kernel's sysctl takes",
        ),
        (
            'add_addr_timeout = "1 s"',
            'lb_mode = "closed"',
            "x.toml:19: mptcp.lb_mode: 'closed' is not one of off, backup, close (did you mean 'close'?)",
        ),
        (
            'add_addr_timeout = "1 s"',
            'cwnd_push = "on"',
            "x.toml:19: mptcp.cwnd_push: 'on' is not one of off, backup, all",
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
            "x.toml:22: sysctl.net: 'net' is neither a role (client, server, director, router) nor a sysctl's name in "
            'quotes, such as "net.ipv4.tcp_rmem"',
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
            "x.toml:7: topology.part: 'load-balancr' is not one of anycast, load-balancer, routed-anycast "
            "(did you mean 'load-balancer'?)",
        ),
        ('"load-balancer"', "4", "x.toml:7: topology.part must be a text in quotes, not 4"),
        (
            '["tcp", "mptcp"]',
            '["tcp",\n"mptpc"]',
            "x.toml:6: protocols[1]: 'mptpc' is not one of tcp, mptcp (did you mean 'mptcp'?)",
        ),
        ("version = 2", "version = 3", "x.toml:1: version must be 2, not 3"),
    ],
)
def test_a_value_that_cannot_be_is_refused_in_one_line(right: str, wrong: str, message: str) -> None:
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
            "x.toml:10: unknown key 'direct' in [topology]; and 1 more error (of the part 'load-balancer')",
        ),
    ],
)
def test_a_bad_download_file_is_refused_in_one_line(right: str, wrong: str, message: str) -> None:
    assert DOWNLOADS.count(right) == 1
    assert refusal(DOWNLOADS.replace(right, wrong)) == message
