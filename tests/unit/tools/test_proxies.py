"""The proxies' configurations, and what HAProxy's administrator reads back."""

from __future__ import annotations

import threading
from pathlib import Path
from socketserver import StreamRequestHandler, UnixStreamServer

import pytest

from testbed.base.errors import ReadbackError, TestbedError
from testbed.tools import haproxy, nginx
from testbed.tools.proxying import Mode, Proxied

SERVERS = {"s1": "10.0.11.2", "s2": "10.0.12.2"}
STATES = """\
1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight
3 servers 1 s1 10.0.11.2 2 {} 1
3 servers 2 s2 10.0.12.2 2 {} 1
"""


def service(work: Path, mode: Mode = "http", address: str = "10.0.1.80") -> Proxied:
    return Proxied(address, 80, SERVERS, mode, work)


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_haproxy_listens_at_the_service_address_and_knows_all_servers(tmp_path: Path, mode: Mode) -> None:
    text = haproxy.config(service(tmp_path, mode), "d")
    assert "    bind 10.0.1.80:80\n" in text and f"    mode {mode}\n" in text
    assert "    server s1 10.0.11.2:80\n    server s2 10.0.12.2:80\n" in text
    assert f"stats socket {tmp_path}/haproxy-d.sock " in text


def test_nginx_has_all_its_files_in_one_directory_and_the_module_for_bytes_only(tmp_path: Path) -> None:
    requests = nginx.config(service(tmp_path), tmp_path / "nginx-d", ["s2"])
    assert "upstream servers { server 10.0.12.2:80; }" in requests and "load_module" not in requests
    assert requests.count(f"{tmp_path}/nginx-d/") == 7 and "/var/" not in requests
    bytes_only = nginx.config(service(tmp_path, "tcp"), tmp_path / "nginx-d", ["s1", "s2"])
    assert "ngx_stream_module.so;" in bytes_only and "http {" not in bytes_only


def test_an_ipv6_service_is_in_brackets(tmp_path: Path) -> None:
    six = service(tmp_path, address="fd00:1::80")
    assert "bind [fd00:1::80]:80" in haproxy.config(six, "d")
    assert "listen [fd00:1::80]:80;" in nginx.config(six, tmp_path, ["s1"])


class Administered(UnixStreamServer):
    """What answers at HAProxy's socket: servers that have these bits, whatever they are told."""

    told: list[str]
    answer: str


class _Answer(StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Administered)
        line = self.rfile.readline().decode().strip()
        self.server.told.append(line)
        self.wfile.write(self.server.answer.encode() if line.startswith("show") else b"\n")


@pytest.mark.parametrize(("second", "agrees"), [("8", True), ("0", False)])
def test_what_haproxy_was_told_of_its_servers_is_read_back(tmp_path: Path, second: str, agrees: bool) -> None:
    with Administered(str(tmp_path / "haproxy-d.sock"), _Answer) as server:
        server.told, server.answer = [], STATES.format("1", second)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            wanted: dict[str, haproxy.State] = {"s1": "maint", "s2": "drain"}
            if agrees:
                assert haproxy.set_servers(tmp_path, "d", wanted) == wanted
            else:
                with pytest.raises(ReadbackError, match="servers of haproxy on d"):
                    haproxy.set_servers(tmp_path, "d", wanted)
        finally:
            server.shutdown()
            thread.join()
    assert server.told[0] == "set server servers/s1 state maint"


def test_a_haproxy_that_is_not_there_is_told_of_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(TestbedError, match=r"^haproxy on d: show info: No such file"):
        haproxy.tell(tmp_path, "d", "show info")
