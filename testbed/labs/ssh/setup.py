"""The ssh lab made ready: a connection, the toolkit and lab kernel on the other machine, a record of who owns it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from contextlib import ExitStack

from testbed.base.errors import TestbedError
from testbed.kernel.cache import Kernel
from testbed.labs.base import Cancel
from testbed.labs.ssh import address, provisioning, target, wheel
from testbed.labs.ssh.address import Address
from testbed.labs.ssh.handshake import connect
from testbed.labs.ssh.lab import SshLab
from testbed.labs.ssh.owner import owning
from testbed.labs.ssh.provisioning import Report
from testbed.labs.ssh.reconnection import PersistentConnection, Timeouts
from testbed.labs.ssh.rpc import tidy_up
from testbed.labs.ssh.target import Target


def open_ssh_lab(
    text: str,
    kernel: Kernel | None,
    *,
    core_wait_s: float = math.inf,
    report: Report = lambda _what: None,
    timeouts: Timeouts = Timeouts(),  # noqa: B008
) -> contextlib.AbstractContextManager[SshLab]:
    """The lab of a target (what follows `ssh:`), with all that a job needs there, until the block ends.

    `kernel` is the lab kernel for the other side's `uml` lab, `core_wait_s` how long a job waits for a core there.
    Raises `LabError`, `PrerequisiteError`, `ConfigError`.
    """
    wanted = target.parse(text)
    where = address.resolve(wanted)
    return open_ssh_lab_at(
        f"ssh:{text}",
        wanted,
        where,
        owned=text,
        kernel=kernel,
        core_wait_s=core_wait_s,
        report=report,
        timeouts=timeouts,
    )


@contextlib.contextmanager
def open_ssh_lab_at(
    name: str,
    wanted: Target,
    where: Address,
    *,
    owned: str,
    kernel: Kernel | None = None,
    core_wait_s: float = math.inf,
    report: Report = lambda _what: None,
    timeouts: Timeouts = Timeouts(),  # noqa: B008
) -> Iterator[SshLab]:
    """The lab at an address (see `open_ssh_lab`); `owned` is what the record of its owner says of where it is."""
    packed = wheel.toolkit()
    with ExitStack() as stack:
        owner = stack.enter_context(owning(owned))
        say = _once(report)
        connection = PersistentConnection(lambda: connect(where, say), timeouts)
        stack.callback(connection.close)
        try:
            connection.open()
        except BaseException:
            owner.done = True  # nobody was there
            raise
        try:
            machine = connection.use(lambda c: provisioning.provide_toolkit(c, packed, owner.id, report))
            toolkit = machine.toolkit(packed.sha256)
            if kernel is not None:
                connection.use(lambda c: provisioning.provide_kernel(c, toolkit, kernel, owner=owner.id, report=report))
            lab = SshLab(
                name,
                wanted.lab,
                connection,
                machine=machine,
                toolkit=toolkit,
                owner=owner,
                kernel=kernel,
                core_wait_s=core_wait_s,
                timeouts=timeouts,
                report=report,
            )
        except BaseException:
            with contextlib.suppress(TestbedError):
                once = Cancel()
                once.set()
                connection.use(lambda c: tidy_up(c, owner.id), once)
                owner.done = True
            raise
        stack.callback(lab.close)
        yield lab


def _once(report: Report) -> Report:
    """Says each thing once: a connection is made again when it breaks."""
    said: set[str] = set()

    def say(what: str) -> None:
        if what not in said:
            said.add(what)
            report(what)

    return say
