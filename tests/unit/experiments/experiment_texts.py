"""Two good experiment files, for tests to break, and what is said of a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import plan
from testbed.base.errors import ConfigError

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


def refusal(text: str) -> str:
    path = Path("x.toml")
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        plan.load(path)
    assert caught.value.exit_code == 2
    return str(caught.value)
