"""The servers' programs while a point is measured: started, killed when the power goes, and started again."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from experiments.stage import Server, Stage
from testbed.base.families import in_url
from testbed.net import silence
from testbed.network import WORK
from testbed.process import Process
from testbed.tools import apache_bench, lighttpd


class WebServers:
    """A web server on each of the stage's servers, by the server's name, until `running` ends."""

    def __init__(self, stage: Stage, running: ExitStack, *, mptcp: bool, uploads: bool) -> None:
        self._stage, self._running = stage, running
        self._mptcp, self._uploads = mptcp, uploads
        self._processes: dict[str, Process] = {}

    def root(self, server: Server) -> Path:
        """The directory that it serves; one of its own where a client uploads."""
        return WORK / (f"uploads-{server.node.name}" if self._uploads else "pages")

    def start_all(self) -> None:
        """Start each and try it, at its own address, then by the service's; raises as `start`, `apache_bench.probe`."""
        stage, log = self._stage, self._stage.network.log
        for server in stage.servers:
            for size_bytes in (1, *stage.parts.workload.also_served):
                lighttpd.generate_file(self.root(server), size_bytes)
            self.start(server)
            # Where strangers are kept away the server asks itself.
            prober = stage.client if stage.parts.protection.admits_everyone else server.node
            apache_bench.probe(prober, f"http://{in_url(server.unique)}:{stage.layout.port}/1.bin", log=log)
        apache_bench.probe(stage.client, f"{stage.service_url}/1.bin", log=log)

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
