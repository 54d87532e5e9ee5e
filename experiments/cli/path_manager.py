"""`testbed path-manager`: the paper's Fig. 4 in user space, in the network namespace it is started in."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from experiments.cli.output import OutputLost, show
from testbed.base.units import parse_duration_s, parse_size_bytes
from testbed.net.mptcp_pm.addresses import SocketAddress
from testbed.path_manager.figure4 import Settings
from testbed.path_manager.options import Options
from testbed.path_manager.service import Task, serve

T = TypeVar("T")


def _quantity(parse: Callable[[str], T]) -> Callable[[click.Context, click.Parameter, str], T]:
    def callback(_context: click.Context, _option: click.Parameter, text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return callback


@click.command("path-manager")
@click.option("--unique", required=True, multiple=True, metavar="ADDR", help="Announce it (once per IP version).")
@click.option(
    "--port", type=click.IntRange(1, 65535),
    help="Announce this port too. An MPTCP listener must be bound to it and to ADDR, not to any address.",
)  # fmt: skip
@click.option("--id", "address_id", type=click.IntRange(1, 255), default=1, show_default=True, help="The address's id.")
@click.option("--no-backup", is_flag=True, help="Do not make the initial subflow a backup.")
@click.option("--close-initial", is_flag=True, help="Close the initial subflow once one to ADDR is up.")
@click.option(
    "--repeat-announce", "repeat_s", callback=_quantity(parse_duration_s), default="0 s", metavar="TIME",
    help='Announce again if no subflow has come after TIME ("200 ms"), then after twice as long, six times at most.',
)  # fmt: skip
@click.option("--take-over", is_flag=True, help="Set net.mptcp.pm_type to 1, and back at the end.")
@click.option("--journal", type=click.Path(dir_okay=False, path_type=Path), help="Append JSON lines to it.")
@click.option(
    "--receive-buffer", callback=_quantity(parse_size_bytes), default="8 MiB", show_default=True, metavar="SIZE",
    help="For events that wait.",
)  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Print a line per event and command.")
def path_manager(
    unique: tuple[str, ...],
    port: int | None,
    address_id: int,
    no_backup: bool,
    close_initial: bool,
    repeat_s: float,
    take_over: bool,
    journal: Path | None,
    receive_buffer: int,
    verbose: bool,
) -> None:
    """Manage the paths of a server behind a load balancer, as in the paper's Fig. 4, from user space.

    It serves the MPTCP connections of the network namespace it is started in (ip netns exec), as root,
    until SIGTERM, SIGINT or SIGHUP; it prints "ready" when it is, and at the end what it did. It needs
    net.mptcp.pm_type=1 there; set net.mptcp.allow_join_initial_addr_port=0 as well.

    While net.mptcp.pm_type is 1 and no path manager runs, connections keep to their initial subflow. If
    it dies it can be started again: it finds the connections that there are.
    """
    settings = Settings(
        unique=_addresses(unique, port or 0),
        address_id=address_id,
        backup=not no_backup,
        close_initial=close_initial,
        repeat_s=repeat_s,
    )
    options = Options(take_over=take_over, receive_buffer_bytes=receive_buffer)
    serve(Task(settings, options, journal), _say, note=_say_or_fail if verbose else None)


def _say(line: str) -> None:
    with contextlib.suppress(OutputLost):  # nobody listens: no reason to leave the connections alone
        show(line)


def _say_or_fail(line: str) -> None:
    try:
        show(line)
    except OutputLost as error:  # the journal counts what it could not say
        raise OSError(str(error)) from error


def _addresses(texts: tuple[str, ...], port: int) -> tuple[SocketAddress, ...]:
    found: dict[int, SocketAddress] = {}
    for text in texts:
        try:
            address = ipaddress.ip_address(text)
        except ValueError as error:
            raise click.BadParameter(f"{text!r} is not an IP address", param_hint="--unique") from error
        if address.version in found:
            raise click.BadParameter(f"a second IPv{address.version} address, {text}", param_hint="--unique")
        found[address.version] = SocketAddress(str(address), port)
    return tuple(found.values())
