"""Loads pages inside a machine that counts instructions: `python -m experiments.counting_agent`.

What to do is in `$TESTBED_OUT/counting.json`. Each set-up is built as for a measurement, but without captures and
samples. Before and after each load the counts are marked; what this program does in between is little, and the same for
a short load and a long one.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from experiments.composition import parts_of
from experiments.record import write_list
from experiments.stage import Stage, path_managers, stage
from experiments.web_servers import WebServers
from experiments.workloads.page_loads import PageLoads
from testbed.base.errors import CommandError, ReadbackError, TestbedError
from testbed.labs.counting import marks
from testbed.net.counters import protocol_counters
from testbed.network import WORK
from testbed.process import CommandLog
from testbed.record import ab, model
from testbed.record.instructions import REQUEST, WINDOWS, Load, Request, SetUp, Window
from testbed.record.point import Point
from testbed.tools import apache_bench, lighttpd

_SETTLED_S = 2.0  # the last FIN is long answered, and MPTCP's workers are through
_ATTEMPTS = ("MPTcpExtMPCapableSYNTX", "MPTcpExtMPJoinSynTx")


def run(load: Load, point: Point, ready: Stage) -> Window:
    """Load a point's pages and say how it went; raises `CommandError`, and `ReadbackError` where requests failed."""
    workload, requests = parts_of(point).workload, load.requests
    assert isinstance(workload, PageLoads)
    mptcp = point.protocol == "mptcp"
    argv = apache_bench.command(
        page_of(load, point, ready), concurrency=workload.concurrency, requests=requests, mptcp=mptcp
    )
    out = WORK / "ab"  # not in the job's own directory: what waits for the host costs instructions, now more, now fewer
    out.mkdir(exist_ok=True)
    before = protocol_counters(ready.client)
    began_s = time.monotonic()
    with apache_bench.start(ready.client, argv, out, log=ready.network.log) as bench:
        if status := bench.wait():
            raise CommandError(argv, status, (out / ab.COMPLAINTS).read_text())
    took_s = time.monotonic() - began_s
    done = ab.read_ab(out / ab.FILE)
    failed = done.failed_requests(point.object_bytes)
    if done.complete_requests != requests or failed:
        raise ReadbackError("ab", f"{requests} requests", f"{done.complete_requests} requests, {failed} of them failed")
    time.sleep(_SETTLED_S)
    after = protocol_counters(ready.client)
    connections, joins = (after.get(name, 0) - before.get(name, 0) for name in _ATTEMPTS)
    return Window(load=load, clock_s=took_s, connections=connections, joins=joins)


def page_of(load: Load, point: Point, ready: Stage) -> str:
    """The URL of a load's page: the service's, as a measurement has it, or the first server's own."""
    base = ready.url_at(ready.servers[0].unique) if load.past_director else ready.service_url
    return f"{base}/{point.object_bytes}.bin"


def count(wanted: SetUp, mark: Callable[[], None], out: Path) -> list[Window]:
    """Build a set-up and run its loads, each between two marks; raises `TestbedError`."""
    points = {point.id: point for point in map(_point, wanted.points)}
    first = next(iter(points.values()))
    parts = parts_of(first)
    with ExitStack() as stack, parts.explained():
        ready = stack.enter_context(stage(first, parts, CommandLog()))
        stack.enter_context(path_managers(first, ready, out))
        programs = WebServers(ready, stack, mptcp=first.protocol == "mptcp", uploads=False)
        for server in ready.servers:
            for point in points.values():
                lighttpd.generate_file(programs.root(server), point.object_bytes)
            programs.start(server)
        run(wanted.loads[0], points[wanted.loads[0].point], ready)  # so that all that runs is in memory
        windows = []
        for load in wanted.loads:
            mark()
            windows.append(run(load, points[load.point], ready))
            mark()
            where = " past the director" if load.past_director else ""
            sys.stdout.write(f"{load.point}: {load.requests} requests{where}\n")
            sys.stdout.flush()
        return windows


def _point(value: object) -> Point:
    return Point.from_json(json.dumps(value))


def main() -> int:
    """Exit status: 0, or the error's own."""
    out = Path(os.environ["TESTBED_OUT"])
    try:
        mark, request = marks.mark(), model.read(Request, out / REQUEST)
        write_list(out / WINDOWS, [window for each in request.set_ups for window in count(each, mark, out)])
    except TestbedError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
