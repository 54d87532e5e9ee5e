"""A host to log in to: a real sshd on loopback with keys of its own, and a wire to it that can be cut."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SSHD = "/usr/sbin/sshd"
USER_KEY, HOST_KEY = "id_user", "host_key"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def make_key(path: Path, *options: str) -> None:
    path.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path), *options], check=True)


@dataclass
class Host:
    """The host: its port, its folder (keys, configuration) and the cache and home that sessions have there."""

    folder: Path
    port: int
    cache: Path
    home: Path

    @property
    def host_key(self) -> str:
        """The public host key: type and base64."""
        return " ".join((self.folder / f"{HOST_KEY}.pub").read_text().split()[:2])

    @property
    def user_key(self) -> Path:
        return self.folder / USER_KEY

    def jobs(self) -> list[Path]:
        return sorted((self.cache / "ssh" / "jobs").glob("*"))


def processes() -> dict[int, str]:
    """Every process and its arguments."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if words := (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip():
                found[int(entry.name)] = words
    return found


def ours(host: Host) -> dict[int, str]:
    """The processes there that are the toolkit's: their interpreter, or what they run, lies in the host's cache."""
    return {pid: words for pid, words in processes().items() if str(host.cache) in words}


def settles(check: object, seconds: float = 30.0) -> bool:
    """Whether a condition comes true in time."""
    assert callable(check)
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@contextlib.contextmanager
def running(folder: Path, cache: Path, **settings: str) -> Iterator[Host]:
    """The host, until the block ends; `settings` are variables of its sessions."""
    home = folder / "far home"
    home.mkdir(parents=True)
    make_key(folder / HOST_KEY)
    make_key(folder / USER_KEY)
    shutil.copyfile(folder / f"{USER_KEY}.pub", folder / "authorized_keys")
    host = Host(folder, free_port(), cache, home)
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    more = [f"{name}={value}" for name, value in {**pip, **settings}.items()]
    set_env = [f"HOME={home}", f"TESTBED_CACHE={cache}", f"TMPDIR={folder / 'far tmp'}", *more]
    (folder / "far tmp").mkdir()
    (folder / "sshd_config").write_text(
        f"""
ListenAddress 127.0.0.1
Port {host.port}
HostKey {folder / HOST_KEY}
AuthorizedKeysFile "{folder / "authorized_keys"}"
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PidFile none
Subsystem sftp internal-sftp
SetEnv {" ".join(f'"{each}"' for each in set_env)}
"""
    )
    if os.geteuid() == 0:
        # sshd wants it when root starts it. It stays: other tests may run an sshd at the same time.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (folder / "sshd.log").open("wb") as log:
        daemon = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")], stdin=subprocess.DEVNULL, stderr=log
        )
    try:
        assert settles(lambda: _answers(host.port), 10), (folder / "sshd.log").read_text()
        yield host
    finally:
        daemon.terminate()
        daemon.wait(10)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as probe:
            return probe.recv(4) == b"SSH-"
    except OSError:
        return False


class Wire:
    """Passes TCP connections on to a port until it is cut; then it refuses new ones too, until it is mended."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._frozen: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._whole = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._whole:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._to))
                with self._lock:
                    self._pairs.append((near, far))
                    self.connections += 1
                threading.Thread(target=self._pump, args=(near, far), daemon=True).start()

    def cut(self) -> None:
        """Reset what goes over it, and take no more."""
        self._whole = False
        with self._lock:
            for pair in self._pairs:
                for end in pair:
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)
            self._pairs.clear()

    def mend(self) -> None:
        """Take connections again."""
        self._whole = True

    def freeze(self) -> None:
        """Pass nothing on over the connections that there are, and do not say so; new ones are well."""
        with self._lock:
            self._frozen += self._pairs

    def _pump(self, near: socket.socket, far: socket.socket) -> None:
        with near, far, contextlib.suppress(OSError):
            while True:
                for ready in select.select([near, far], [], [])[0]:
                    if (near, far) in self._frozen:
                        threading.Event().wait()
                    data = ready.recv(65536)
                    if not data:
                        return
                    (far if ready is near else near).sendall(data)

    def close(self) -> None:
        self.cut()
        self._listener.close()
