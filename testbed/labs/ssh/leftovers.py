"""What killed runs left on other machines, and its removal: only what is known to be ours, or is nobody's any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from testbed.base.errors import TestbedError
from testbed.base.text import plain
from testbed.labs.ssh import address, owner, target
from testbed.labs.ssh.handshake import connect
from testbed.labs.ssh.rpc import tidy_up
from testbed.labs.vm import address as vm_address
from testbed.labs.vm import machine as vm_machine
from testbed.labs.vm.state import default_state


@dataclass
class Found:
    """What was removed on a host, or why it could not be looked at."""

    host: str
    removed: list[str] = field(default_factory=list)
    error: TestbedError | None = None


def remove(
    targets: Sequence[str], *, toolkits: bool, report: Callable[[str], None] = lambda _what: None
) -> Iterator[Found]:
    """Go to the hosts of the dead owners, and to `targets`, and remove what is left there; one answer per host.

    With `toolkits`, the environments of `targets` that nobody uses too.
    """
    hosts: dict[address.Address, list[owner.Record]] = {}
    asked = {address.resolve(target.parse(text)) for text in targets}
    for record in owner.dead():
        try:
            where = _where(record.target)
        except TestbedError as error:
            yield Found(plain(record.target), error=error)
            continue
        if where is None:
            owner.forget(record)
        else:
            hosts.setdefault(where, []).append(record)
    for host in asked:
        hosts.setdefault(host, [])
    for host, mine in hosts.items():
        found = Found(str(host))
        try:
            connection = connect(host, report)
            try:
                dead = [record.id for record in mine]
                found.removed = tidy_up(connection, *dead, toolkits=toolkits and host in asked)
            finally:
                connection.close()
            for record in mine:
                owner.forget(record)
        except TestbedError as error:
            found.error = error
        yield found


def _where(text: str) -> address.Address | None:
    """Where a record's owner had its things; None if that was the lab VM, and it does not run: nothing is left then.

    (Files on its disk may be: the next run in it removes them.)
    """
    if text != vm_address.OWNED:
        return address.resolve(target.parse(text))
    state = default_state()
    machine = vm_machine.find(state)
    return None if machine is None else vm_address.address(state, machine.port)
