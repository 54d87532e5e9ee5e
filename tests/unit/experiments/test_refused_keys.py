"""Keys, tables and profiles that an experiment file cannot have, or lacks: in which words it is refused."""

from __future__ import annotations

import pytest
from experiment_texts import PAGE_LOADS, refusal

from experiments.composition import REGISTRIES

DIRECTORS = ", ".join(REGISTRIES["director"].ours())


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
            "(valid keys: part, direction, sizes, concurrency, total, min_requests, max_requests, requests, timeout, "
            "meanwhile, large_reads)",
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
        (
            'title = "My',
            '"workload.total" = "4 GB"\ntitle = "My',
            "x.toml:3: unknown key 'workload.total' (without the quotes it is the key of a table: workload.total)",
        ),
        (
            "concurrency = 10",
            'duration = "1 s"',
            "x.toml:15: unknown key 'duration' in [workload]; and 1 more error (of the part 'long-downloads')",
        ),
        # mistyped, where without the key nobody knows what other keys there are
        ('director = "ipvs-nat"', 'directr = "ipvs-nat"', "x.toml:4: unknown key 'directr' (did you mean 'director'?)"),
        ("[topology]", "[topolgy]", "x.toml:6: unknown key 'topolgy' (did you mean 'topology'?)"),
        ("[workload]", "[worklod]", "x.toml:12: unknown key 'worklod' (did you mean 'workload'?)"),
        ('part = "page', 'prat = "page', "x.toml:13: unknown key 'prat' in [workload] (did you mean 'part'?)"),
        (
            'director = "ipvs-nat"',
            'director = { prt = "ipvs-nat" }',
            "x.toml:4: unknown key 'prt' in [director] (did you mean 'part'?)",
        ),
        (
            "[mptcp]",
            "[protection]\npat = 1\n[mptcp]",
            "x.toml:19: unknown key 'pat' in [protection] (did you mean 'part'?)",
        ),
        (
            "[mptcp]",
            "[[variant]]\nnam = 1\n[mptcp]",
            "x.toml:19: unknown key 'nam' in [[variant]] (did you mean 'name'?)",
        ),
        (
            "[mptcp]",
            "[[condition]]\nnme = 1\n[mptcp]",
            "x.toml:19: unknown key 'nme' in [[condition]] (did you mean 'name'?)",
        ),
        (
            "[sysctl]",
            "[sysctl.clint]",
            "x.toml:21: sysctl.clint: 'clint' is neither a role (client, server, director, router) nor a sysctl's "
            'name in quotes, such as "net.ipv4.tcp_rmem"',
        ),
        # missing
        ('director = "ipvs-nat"', "", f"x.toml:1: missing key 'director' (one of: {DIRECTORS})"),
        ('total = "4 GB"', "", "x.toml:12: workload: it needs total, or requests"),
        ('rate = "100 Mbit/s", ', "", "x.toml:9: missing key 'rate' in [topology.client_director]"),
        ('title = "My page loads"', "", "x.toml:1: missing key 'title'"),
        ('direct = { rate = "1 Gbit/s" }\n', "", "x.toml:6: missing table [topology.direct]"),
        # profiles
        ("[profile.quick]", "[profile.quik]", "x.toml:24: unknown profile 'quik' (did you mean 'quick'?)"),
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
def test_a_file_with_other_keys_than_the_formats_is_refused_in_one_line(right: str, wrong: str, message: str) -> None:
    assert PAGE_LOADS.count(right) == 1
    assert refusal(PAGE_LOADS.replace(right, wrong)) == message


@pytest.mark.usefixtures("folder")
def test_a_file_of_the_version_before_is_refused_with_the_cure() -> None:
    said = refusal(PAGE_LOADS.replace("version = 2", "version = 1"))
    assert said.startswith("x.toml:1: this file is of version 1 of the format (write version = 2; ")
    assert '[topology] part = "load-balancer", director = "ipvs-nat"' in said
