"""Proxies and web servers on this machine's own kernel leave alone what the machine, or somebody on it, has of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from extent import in_test_all
from others import Others, Program, run_beside

from experiments import plan
from testbed.labs.local.lab import LocalLab
from testbed.net import mptcp
from testbed.record.point import read_point
from testbed.tools import haproxy, lighttpd, nginx
from topologies import links

RIVALS = Path(plan.__file__).with_name("rivals.toml").read_text().partition("[[condition]]")[0]
FOLDERS = [
    *("/etc/haproxy", "/var/lib/haproxy", "/etc/nginx", "/var/lib/nginx", "/etc/lighttpd", "/var/cache/lighttpd"),
    *("/run", "/var/log"),
]
FILES = {
    "/etc/haproxy/haproxy.cfg": """\
global
    stats socket /run/haproxy/admin.sock mode 660 level admin
    server-state-file /var/lib/haproxy/state
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend somebody
    bind 127.0.0.1:8001
    http-request return status 200 content-type text/plain string "somebody's haproxy"
""",
    "/var/lib/haproxy/state": "1\n",
    "/run/haproxy/": "",
    "/etc/nginx/nginx.conf": """\
worker_processes 1;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events { }
http {
  access_log off;
  server { listen 127.0.0.1:8002; return 200 "somebody's nginx"; }
}
""",
    "/var/log/nginx/access.log": "what somebody asked for\n",
    "/var/lib/nginx/": "",
    "/etc/lighttpd/lighttpd.conf": """\
server.document-root = "/etc/lighttpd"
server.bind = "127.0.0.1"
server.port = 8003
server.pid-file = "/run/lighttpd.pid"
server.errorlog = "/var/log/lighttpd/error.log"
mimetype.assign = ( "" => "text/plain" )
""",
    "/etc/lighttpd/page": "somebody's lighttpd",
    "/var/log/lighttpd/": "",
}


def asking(url: str) -> list[str]:
    return [sys.executable, "-c", f"import urllib.request; print(urllib.request.urlopen({url!r}).read().decode())"]


NAMES = ["haproxy", "nginx", "lighttpd"]
PROGRAMS = [
    Program(
        ["haproxy", "-W", "-p", "/run/haproxy.pid", "-f", "/etc/haproxy/haproxy.cfg"], asking("http://127.0.0.1:8001/")
    ),
    Program(["nginx", "-g", "daemon off;"], asking("http://127.0.0.1:8002/")),
    Program(["lighttpd", "-D", "-f", "/etc/lighttpd/lighttpd.conf"], asking("http://127.0.0.1:8003/page")),
]


@pytest.fixture
def by_mptcp(missing: dict[str, str]) -> bool:
    """Whether this kernel has MPTCP, which proxies speak then; skips where there are no such programs."""
    found = LocalLab().probe({links.VETH, links.TBF, haproxy.NEED, nginx.NEED, lighttpd.NEED})
    if lacking := [each.name for each in found if not each.ok]:
        pytest.skip(f"this machine lacks {', '.join(lacking)}")
    return not {need.name for need in mptcp.NEEDS} & set(missing)


def experiment(proxy: str, *, by_mptcp: bool) -> str:
    """Downloads through a proxy, which is killed and starts again meanwhile."""
    head = RIVALS.partition("[mptcp]")[0].replace('["mptcp"]', '["tcp"]').replace('"15 s"', '"3 s"')
    lines = head.replace("director_statistics = true", "director_statistics = false").splitlines()
    lines.insert(lines.index("[topology]"), 'clocks = ["real"]')
    timetable = '[timetable]\npart = "events"\nevents = [{ at = "1.5 s", restart_director = 1 }]'
    condition = f'[[condition]]\nname = "{proxy}"\ndirector = {{ part = "{proxy}", mptcp = {str(by_mptcp).lower()} }}'
    return "\n".join([*lines, timetable, condition])


@pytest.mark.parametrize("proxy", ["nginx", pytest.param("haproxy", marks=in_test_all("takes ten seconds more"))])
def test_other_proxies_and_web_servers_and_their_files_are_not_touched(
    proxy: str, by_mptcp: bool, tmp_path: Path
) -> None:
    file = tmp_path / "proxies.toml"
    file.write_text(experiment(proxy, by_mptcp=by_mptcp))
    found = run_beside(Others(FOLDERS, FILES, PROGRAMS), file, tmp_path / "run")
    status, said = found["run"]
    assert status in (0, 6), said  # 6: others kept the machine busy
    files, processes = found["before"]
    assert {"/run/haproxy/admin.sock", "/run/haproxy.pid", "/run/nginx.pid", "/run/lighttpd.pid"} <= set(files)
    assert [len(each) for each in processes] == [2, 2, 1]  # HAProxy and nginx have a worker
    assert found["after"] == found["before"]
    assert [each.strip() for each in found["answers"]] == [f"somebody's {each}" for each in NAMES]
    (point,) = (tmp_path / "run" / "points").iterdir()
    assert (read_point(point).clock, read_point(point).condition) == ("real", proxy)
    assert "director-restarted" in (point / "events.jsonl").read_text()
