"""ApacheBench on the client: N downloads or uploads, or as many as fit in a time; over MPTCP through `mptcpize`."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

from testbed.base.needs import program
from testbed.net.netns import Node
from testbed.process import CommandLog, Process, run
from testbed.record import ab

NEED = program("ab", package="apache2-utils", purpose="the client")

_STALL_LIMIT_S = 600
_ENDLESS = 1_000_000


def probe(client: Node, url: str, *, log: CommandLog) -> None:
    """Fetch the page once over TCP; `ab -r` would spin for ever on a port that refuses it."""
    run(client.enter("ab", "-q", "-n", "1", "-c", "1", "-s", "60", url), log=log)


def command(
    url: str,
    *,
    concurrency: int,
    requests: int | None,
    mptcp: bool,
    upload: Path | None = None,
    timeout_s: float | None = None,
) -> list[str]:
    """The argv; `requests=None` is a run that only a signal ends, and that survives failed downloads.

    With `upload` each request is a PUT of that file. It gives up when for `timeout_s` nothing comes on any connection.
    """
    patience = _STALL_LIMIT_S if timeout_s is None else int(timeout_s)
    wrap = ["mptcpize", "run"] if mptcp else []
    count = requests if requests is not None else _ENDLESS
    survive = ["-r"] if requests is None else []
    put = ["-T", "application/octet-stream", "-u", str(upload)] if upload else []
    return [
        *wrap, "ab", "-q", *survive, *put, "-s", str(patience), "-n", str(count), "-c", str(concurrency), url,
    ]  # fmt: skip


def start(
    client: Node,
    argv: Sequence[str],
    output: Path,
    *,
    log: CommandLog,
    files: tuple[str, str] = (ab.FILE, ab.COMPLAINTS),
) -> Process:
    """Start ab on the client, its output to two files in `output` (`testbed.record.ab` reads them)."""
    into, complaints = files
    with (output / into).open("wb") as out, (output / complaints).open("wb") as err:
        return Process(client.enter(*argv), stdout=out, stderr=err, log=log, keeps_id=False)


def interrupt(process: Process, grace_s: float = 30.0) -> int:
    """End a run early as Ctrl-C would: ab then prints its totals. Returns the status."""
    process.signal(signal.SIGINT)
    return process.wait(grace_s)
