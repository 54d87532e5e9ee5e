"""lighttpd on a server: serves generated files, takes uploads (WebDAV), over MPTCP through `mptcpize` where asked."""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from testbed.base.errors import CommandError, TestbedError
from testbed.base.needs import Call, Need, program
from testbed.net import sockets
from testbed.net.netns import Node
from testbed.process import CommandLog, Process, run, wait_until

# `ab` may open a connection that it never uses; closed after lighttpd's usual 60 s, that would count as a failed page.
# An ETag is sent with each page, and in the answer to an upload: it follows from the size alone. A file's inode depends
# on where the toolkit lies, its time on how long the set-up took.
_CONFIG = """\
server.document-root = "{root}"
server.port = {port}
{bind}
server.errorlog = "{error_log}"
server.max-fds = 8192
server.max-connections = 4096
server.max-keep-alive-requests = 0
server.max-read-idle = 3600
etag.use-inode = "disable"
etag.use-mtime = "disable"
mimetype.assign = ( "" => "application/octet-stream" )
"""
_BIND: Mapping[bool, str] = {
    False: 'server.bind = "0.0.0.0"',
    # One socket for both families: what comes by IPv4 has a v4-mapped address there.
    True: 'server.bind = "[::]"\nserver.v4mapped = "enable"',
}
# An upload is spooled beside its target, on the same tmpfs: the host's file system is read-only in a guest.
_UPLOADS = """\
server.modules = ( "mod_webdav" )
server.upload-dirs = ( "{root}" )
webdav.activate = "enable"
webdav.is-readonly = "disable"
"""
NEED = program("lighttpd", package="lighttpd", purpose="the servers")


def generate_file(root: Path, size_bytes: int) -> str:
    """Make a file of `size_bytes` pseudo-random bytes (the same in every run); returns its name."""
    root.mkdir(parents=True, exist_ok=True)
    name = f"{size_bytes}.bin"
    block = random.Random(size_bytes).randbytes(1 << 20)
    with (root / name).open("wb") as file:
        left = size_bytes
        while left > 0:
            left -= file.write(block[: min(left, len(block))])
    return name


def module(name: str, package: str, purpose: str = "") -> Need:
    """The need of a module that lighttpd loads, which a package of its own may bring."""
    load = Call(function="testbed.tools.lighttpd:load_module", arguments=(name,))
    return Need(name=f"lighttpd {name}", purpose=purpose, package=package, probe=(load,))


UPLOADS = module("mod_webdav", package="lighttpd-mod-webdav", purpose="uploads")
"""What `serving` with `uploads` needs besides."""


def load_module(name: str) -> None:
    """Have lighttpd load a module of its own; raises `TestbedError` if it cannot."""
    with tempfile.TemporaryDirectory() as work:
        config = Path(work) / "module.conf"
        config.write_text(f'server.document-root = "{work}"\nserver.modules = ( "{name}" )\n')
        try:
            run(["lighttpd", "-tt", "-f", config])
        except CommandError as error:  # what it says goes on for lines, and names the module in the first
            raise TestbedError("lighttpd cannot load it" if error.status is not None else "no lighttpd") from error


@contextlib.contextmanager
def serving(
    node: Node,
    root: Path,
    port: int,
    work: Path,
    *,
    mptcp: bool,
    log: CommandLog,
    uploads: bool = False,
    ipv6: bool = False,
    timeout_s: float = 30.0,
) -> Iterator[Process]:
    """Run lighttpd on the node until the block ends; its log goes to `work`. With `uploads` a PUT writes into `root`.

    It listens on a socket of IPv4, or with `ipv6` on one of IPv6 that takes both families.
    Returns once it listens; raises `GuestTimeout` if it does not within `timeout_s`.
    """
    config = work / f"lighttpd-{node.name}.conf"
    error_log, complaints = (work / f"lighttpd-{node.name}.{kind}" for kind in ("log", "txt"))
    parts = [_CONFIG, *([_UPLOADS] if uploads else [])]
    config.write_text("".join(parts).format(root=root, port=port, bind=_BIND[ipv6], error_log=error_log))
    argv = [*(["mptcpize", "run"] if mptcp else []), "lighttpd", "-D", "-f", str(config)]
    # What it has against its configuration, it says before it opens its log.
    with complaints.open("wb") as err, Process(node.enter(*argv), stderr=err, log=log, keeps_id=False) as process:
        wait_until(
            lambda: sockets.listens(node, port, ipv6=ipv6) or process.poll() is not None,
            f"lighttpd on {node.name}",
            timeout_s=timeout_s,
        )
        if process.poll() is not None:
            told = (file.read_text(errors="replace").strip() for file in (complaints, error_log) if file.exists())
            raise CommandError(process.argv, process.poll(), next(filter(None, told), "no log"))
        yield process
