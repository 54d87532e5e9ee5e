"""A point that is on stage, measured: servers, captures and counters around the workload, the timetable meanwhile."""

from __future__ import annotations

import contextlib
import filecmp
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from experiments.changes import Changes
from experiments.directors import watching_directors
from experiments.record import Events, write, write_list
from experiments.routes import watching_routes
from experiments.stage import Server, Stage, put_middlebox
from experiments.web_servers import WebServers
from experiments.workloads.base import Scene
from testbed.base.errors import ReadbackError, WorkloadTooShort
from testbed.lab_clock import start_afresh
from testbed.net import loss_injection, queues
from testbed.net.counters import protocol_counters
from testbed.network import WORK
from testbed.record import addresses, captures, counters, events, protection, uploads
from testbed.record import loss_injection as losses
from testbed.record.addresses import AddressPlan, ServerAddresses, Service
from testbed.record.captures import ServerCapture
from testbed.record.counters import Counters
from testbed.record.loss_injection import InjectedLosses
from testbed.record.point import Point
from testbed.record.protection import ProtectionCounts
from testbed.record.uploads import Uploads
from testbed.sampler import Sampler
from testbed.tools import apache_bench, lighttpd, tcpdump

NEEDS = frozenset({lighttpd.NEED, apache_bench.NEED, tcpdump.NEED})
"""What every measurement needs, whatever it measures."""

# What is under way at the workload's end arrives in less, and so do the answers to it.
_AFTERMATH_S = 1.0


def drive(point: Point, ready: Stage, out: Path, ended: Callable[[], None] | None = None) -> None:
    """Run the workload to its end, and what the timetable says meanwhile; `ended` is called then."""
    write_addresses(ready, out)
    with measured(point, ready, out) as scene:
        ready.parts.workload.drive(scene)
        if ended is not None:
            ended()


def write_addresses(stage: Stage, out: Path) -> None:
    """addresses.json: which address is whose."""
    networks = _networks(stage)
    plan = AddressPlan(
        client=stage.client_addresses,
        service=Service(address=stage.layout.service, port=stage.layout.port),
        servers={server.node.name: _addresses(server, networks) for server in stage.servers},
    )
    write(out / addresses.FILE, plan)


def _networks(stage: Stage) -> dict[str, str]:
    """The servers' networks of unique addresses, by their names."""
    own = stage.parts.protection.own_network
    return {place.name: network for place in stage.layout.servers if (network := own(stage.layout, place))}


def _addresses(server: Server, networks: Mapping[str, str]) -> ServerAddresses:
    further: dict[str, object] = {"further_locals": server.further_locals} if server.further_locals else {}
    if network := networks.get(server.node.name):
        further["network"] = network
    return ServerAddresses.model_validate({"unique": server.unique, "local": server.local, **further})


@contextlib.contextmanager
def measured(point: Point, stage: Stage, out: Path) -> Iterator[Scene]:
    """Servers up and probed, captures on, counters read before and after, samples and events open.

    The counters are read a third time when what the workload's end set off is over, while the captures go on (orphaned
    connections retransmit for minutes, so there may be no moment without packets). Where several servers share an
    address, the SYNs and RSTs at each of them are captured too: nothing else says which of them one came to, or from.

    Of a point that asks for it, what passes the directors is recorded there, too.

    Of uploads, what the servers have stored is compared with what was sent; raises `ReadbackError` where it differs.
    In virtual time the block starts at a whole second, with fresh random numbers.
    """
    log = stage.network.log
    is_upload = stage.parts.workload.sender == "client"
    nodes = [stage.client, *(server.node for server in stage.servers)]
    with ExitStack() as stack:
        WORK.mkdir(parents=True, exist_ok=True)
        name = lighttpd.generate_file(WORK / "pages", point.object_bytes)
        url = f"{stage.service_url}/{name}"
        running = stack.enter_context(ExitStack())
        programs = WebServers(stage, running, mptcp=point.protocol == "mptcp", uploads=is_upload)
        programs.start_all()
        put_middlebox(point, stage)
        samples = stack.enter_context((out / counters.SAMPLES).open("w"))
        happened = Events(stack.enter_context((out / events.FILE).open("w")))
        if stage.layout.routed:
            stack.enter_context(watching_routes(stage, happened, out))
        buffer_kib = tcpdump.buffer_kib(stage.parts.workload.most_packets(point.object_bytes))
        snap_bytes = tcpdump.SNAP_BYTES
        if point.capture == "all":
            buffer_kib, snap_bytes = tcpdump.BUFFER_KIB, tcpdump.WHOLE_BYTES
        # Behind routers a packet may come to another server than the one before it.
        whole = bool(stage.layout.routed) or (point.trace is not None and point.trace.servers)
        at_servers = {
            server.node.name: stack.enter_context(_witnessing(stage, server, out, buffer_kib if whole else None))
            for server in stage.servers
            if len(stage.servers) > 1 or whole
        }
        directors = (
            stack.enter_context(watching_directors(stage, out, buffer_kib, snap_bytes))
            if point.director_statistics
            else None
        )
        with tcpdump.capturing(
            stage.client,
            stage.layout.client_interfaces,
            out,
            log=log,
            what=tcpdump.without(tcpdump.EVERYTHING, stage.parts.workload.left_out(stage.layout)),
            buffer_kib=buffer_kib,
            snap_bytes=snap_bytes,
        ) as captured:
            drops = {node.name: queues.dropped(node) for node in nodes}
            before = {node.name: protocol_counters(node) for node in nodes}
            if directors:
                directors.begin()
            if point.clock == "virtual":
                start_afresh()
            further = directors.sample if directors else None
            sampler = Sampler(samples, stage.client, nodes, further, real=point.clock == "real")
            yield Scene(
                client=stage.client,
                mptcp=point.protocol == "mptcp",
                url=url,
                file=WORK / "pages" / name,
                sampler=sampler,
                events=happened,
                actions=Changes(stage, happened, programs).actions(),
                out=out,
                log=log,
                layout=stage.layout,
                servers={server.node.name: server.node for server in stage.servers},
                networks=_networks(stage),
                seed=point.seed,
            )
            after = {node.name: protocol_counters(node) for node in nodes}
            time.sleep(_AFTERMATH_S)
            from_s = sampler.now()
            settled = {node.name: protocol_counters(node) for node in nodes}
            to_s = sampler.now()
            if directors:
                directors.settle(sampler.now)
        drops = {
            node.name: {name: count - drops[node.name][name] for name, count in queues.dropped(node).items()}
            for node in nodes
        }
        write_list(out / captures.FILE, [capture.record() for capture in captured])
        counted = Counters(before=before, after=after, settled=settled, settled_s=(from_s, to_s), queue_drops=drops)
        write(out / counters.FILE, counted)
        if passed := _counted_by_protection(stage):
            write(out / protection.FILE, ProtectionCounts(servers=passed))
        if at_servers:
            seen = [
                ServerCapture(node=node, file=each.file.name) for node, found in at_servers.items() for each in found
            ]
            write_list(out / captures.AT_SERVERS, seen)
        if stage.injector:
            write(out / losses.FILE, _injected(stage.injector))
        if is_upload:
            roots = [programs.root(server) for server in stage.servers]
            write(out / uploads.FILE, _stored(WORK / "pages" / name, roots))
        if sampler.never_came:
            at_s = ", ".join(f"{each:g}" for each in sampler.never_came)
            what = f"the workload ended before what the timetable has at {at_s} s"
            raise WorkloadTooShort(what, hint="a larger workload, or an earlier event")


def _witnessing(
    stage: Stage, server: Server, out: Path, whole_kib: int | None
) -> contextlib.AbstractContextManager[list[tcpdump.Capture]]:
    """The captures of SYNs and RSTs at a server's interfaces to and from the service.

    With a buffer of `whole_kib` those of all packets, at every interface that has an address of the server's.
    """
    families = stage.parts.topology.families
    if whole_kib is not None:
        own = server.place.own_way
        interfaces = [*stage.parts.director.server_interfaces(server.place), *([own.interface] if own else [])]
        every = list(dict.fromkeys(interfaces))
        return tcpdump.capturing(server.node, every, out, log=stage.network.log, buffer_kib=whole_kib)
    return tcpdump.capturing(
        server.node,
        stage.parts.director.server_interfaces(server.place),
        out,
        log=stage.network.log,
        what=tcpdump.without(
            " or ".join(tcpdump.OPENINGS_AND_RESETS[each] for each in families.every),
            stage.parts.workload.left_out(stage.layout),
        ),
        buffer_kib=tcpdump.SMALL_BUFFER_KIB,
    )


def _counted_by_protection(stage: Stage) -> dict[str, dict[str, int]]:
    """What the protection of each server has counted, where it counts."""
    found = {place.name: stage.parts.protection.counted(stage.network, place) for place in stage.layout.servers}
    return {name: counts for name, counts in found.items() if counts}


def _injected(injector: loss_injection.Injector) -> InjectedLosses:
    """What the injector was to drop where, and what it has seen and dropped."""
    counts = injector.counts()
    return InjectedLosses(
        packet=injector.packet,
        occurrence=injector.occurrence,
        interfaces=injector.interfaces,
        connections=counts.connections,
        packets=counts.packets,
        dropped=counts.dropped,
    )


def _stored(sent: Path, roots: Sequence[Path]) -> Uploads:
    """Under which of the servers' `roots` the file that was sent has arrived.

    Raises `ReadbackError` where one has another content, or none has it.
    """
    copies = [root / sent.name for root in roots if (root / sent.name).exists()]
    wrong = [copy for copy in copies if not filecmp.cmp(sent, copy, shallow=False)]
    if wrong or not copies:
        found = f"{wrong[0]}, of another content" if wrong else "no file on any server"
        raise ReadbackError("upload", str(sent), found)
    return Uploads(bytes=sent.stat().st_size, stored=tuple(map(str, copies)))
