"""What killed runs left on other machines, and its removal: only what is known to be ours, or is nobody's any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from testbed.errors import TestbedError
from testbed.labs.ssh import address, owner, target
from testbed.labs.ssh.connection import connect
from testbed.labs.ssh.lab import tidy_up


@dataclass
class Found:
    """What was removed on a host, or why it could not be looked at."""

    host: str
    removed: list[str] = field(default_factory=list)
    error: TestbedError | None = None


def remove(targets: Sequence[str], *, toolkits: bool) -> Iterator[Found]:
    """Go to the hosts of the dead owners, and to `targets`, and remove what is left there; one answer per host.

    With `toolkits`, the environments of `targets` that nobody uses too.
    """
    records = owner.dead()
    configuration = address.read_configuration()
    hosts: dict[address.Address, list[owner.Record]] = {}
    asked = {address.resolve(target.parse(text), configuration) for text in targets}
    for record in records:
        hosts.setdefault(address.resolve(target.parse(record.target), configuration), []).append(record)
    for host in asked:
        hosts.setdefault(host, [])
    for host, mine in hosts.items():
        found = Found(str(host))
        try:
            connection = connect(host)
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
