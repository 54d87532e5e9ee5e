"""nginx on a director: its configuration, and how it is told of another pool, which is by starting new workers.

Sources: nginx.org/en/docs, "Controlling nginx" (a HUP: workers with the new configuration take over the listening
socket, and the old ones end when their last connection has), and the modules' pages.
"""

from __future__ import annotations

import contextlib
import signal
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from testbed.base.errors import CommandError, TestbedError
from testbed.base.needs import Call, Need, program
from testbed.net.netns import Node
from testbed.process import CommandLog, Process, run, wait_until
from testbed.tools import proxying
from testbed.tools.proxying import Proxied

NEED = program("nginx", package="nginx", purpose="a proxy in front of the servers")
STREAM = Need(
    name="nginx's stream module",
    purpose="a proxy of bytes",
    package="libnginx-mod-stream",
    probe=(Call(function="testbed.tools.nginx:probe_stream"),),
)
"""What is needed besides where it reads no requests."""

_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
_TIMEOUT_S = 30.0
_STARTED, _REFUSED = "start worker process ", "[emerg]"
"""What its log has of a new worker, and of a configuration that it does not take."""

_MAIN = """\
{module}daemon off;
user root root;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {files}/pid;
error_log {files}/error.log notice;
events {{ worker_connections 8192; }}
"""
# Whatever it could put on a disk has a place of its own; nothing is, for nothing is buffered.
_HTTP = """\
http {{
  access_log off;
  client_body_temp_path {files}/body; proxy_temp_path {files}/proxy; fastcgi_temp_path {files}/fastcgi;
  uwsgi_temp_path {files}/uwsgi; scgi_temp_path {files}/scgi;
  upstream servers {{ {servers} }}
  server {{
    listen {listens_at};
    client_max_body_size 0; client_body_timeout 1h; send_timeout 1h;
    proxy_buffering off; proxy_request_buffering off;
    proxy_connect_timeout 5s; proxy_read_timeout 1h; proxy_send_timeout 1h;
    location / {{ proxy_pass http://servers; }}
  }}
}}
"""
_STREAM = """\
stream {{
  upstream servers {{ {servers} }}
  server {{ listen {listens_at}; proxy_connect_timeout 5s; proxy_timeout 1h; proxy_pass servers; }}
}}
"""


def config(service: Proxied, files: Path, pool: Sequence[str]) -> str:
    """The configuration that spreads over these servers, with all its files in a directory."""
    module = f"load_module {_MODULE};\n" if service.mode == "tcp" else ""
    servers = " ".join(f"server {service.connects_to(name)};" for name in pool)
    form = _MAIN + (_HTTP if service.mode == "http" else _STREAM)
    return form.format(module=module, files=files, servers=servers, listens_at=service.listens_at)


@contextlib.contextmanager
def serving(node: Node, service: Proxied, *, mptcp: bool, log: CommandLog) -> Iterator[Process]:
    """Run it on the node, with all servers, until the block ends; raises as `proxying.running`."""
    files = _files(service.work, node.name)
    files.mkdir(exist_ok=True)
    write(service, node.name, list(service.servers))
    argv = ["nginx", "-p", str(files), "-e", str(files / "error.log"), "-c", str(files / "nginx.conf")]
    with proxying.running(node, argv, service, mptcp=mptcp, log=log) as process:
        yield process


def write(service: Proxied, node: str, pool: Sequence[str]) -> str:
    """Write the configuration with this pool; returns what reads back."""
    file = _files(service.work, node) / "nginx.conf"
    file.write_text(config(service, file.parent, pool))
    return file.read_text()


def reload(process: Process, service: Proxied, node: Node, pool: Sequence[str]) -> None:
    """Have workers that spread over this pool instead; returns when one of them is there.

    Raises `CommandError` if nginx does not want the configuration, and `GuestTimeout` if nothing comes of it.
    """
    write(service, node.name, pool)
    log = _files(service.work, node.name) / "error.log"
    before = len(log.read_text(errors="replace"))
    process.signal(signal.SIGHUP)

    def said() -> str:
        return log.read_text(errors="replace")[before:]

    what = f"nginx on {node.name} with another pool"
    wait_until(lambda: _STARTED in said() or _REFUSED in said(), what, timeout_s=_TIMEOUT_S)
    if refusals := [line for line in said().splitlines() if _REFUSED in line]:
        raise CommandError(process.argv, None, refusals[-1])


def probe_stream() -> None:
    """Have nginx load the module; raises `TestbedError` if it cannot."""
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / "nginx.conf"
        file.write_text(f"load_module {_MODULE};\npid {work}/pid;\nevents {{}}\nstream {{}}\n")
        try:
            run(["nginx", "-t", "-p", work, "-e", f"{work}/error.log", "-c", str(file)])
        except CommandError as error:
            raise TestbedError("nginx cannot load it" if error.status is not None else "no nginx") from error


def _files(work: Path, node: str) -> Path:
    return work / f"nginx-{node}"
