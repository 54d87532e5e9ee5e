"""The servers' programs while a point is measured: started, killed when the power goes, and started again."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from experiments.stage import Server, Stage
from testbed.net import silence
from testbed.network import WORK
from testbed.process import Process
from testbed.tools import lighttpd


class WebServers:
    """A web server on each of the stage's servers, by the server's name, until `running` ends."""

    def __init__(self, stage: Stage, running: ExitStack, *, mptcp: bool, uploads: bool) -> None:
        self._stage, self._running = stage, running
        self._mptcp, self._uploads = mptcp, uploads
        self._processes: dict[str, Process] = {}

    def root(self, server: Server) -> Path:
        """The directory that it serves; one of its own where a client uploads."""
        return WORK / (f"uploads-{server.node.name}" if self._uploads else "pages")

    def start(self, server: Server) -> None:
        """Start it; returns once it listens. Raises as `lighttpd.serving`."""
        serving = lighttpd.serving(
            server.node,
            self.root(server),
            self._stage.layout.port,
            WORK,
            mptcp=self._mptcp,
            uploads=self._uploads,
            ipv6="ipv6" in self._stage.parts.topology.families.every,
            log=self._stage.network.log,
        )
        self._processes[server.node.name] = self._running.enter_context(serving)

    def power_off(self, server: Server) -> None:
        """Its links fall silent, its program dies, its kernel forgets its connections: no FIN or RST leaves it.

        A path manager in user space goes on, with no connections to manage.
        """
        log = self._stage.network.log
        silence.silence(server.node, log)
        self._processes[server.node.name].kill()
        silence.destroy_sockets(server.node, log)

    def power_on(self, server: Server) -> None:
        """Its program serves again, to whoever comes now."""
        self.start(server)
        silence.restore(server.node, self._stage.network.log)
