"""When the routes of a routed network changed: `routes.jsonl`, a line for each route that a daemon gave a kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from testbed.record import model, reading
from testbed.record.model import Flag, Moment, Record, Text, Texts

FILE = "routes.jsonl"


class RouteChange(Record):
    """A route of a `node` to `destination` (`10.0.0.80`, or a network with its prefix), `t` seconds after the start.

    `is_first`: it is the client's own router. The route was `there` at the start (to the service, to servers, to the
    client), it was `set`, whatever was there, or `deleted`. `via` are its
    gateways, or its interface where it has none. What a kernel does by itself is not here: without a word it drops a
    route by a link that has lost its carrier.
    """

    t_s: Moment = Field(alias="t")
    node: Text
    is_first: Flag
    change: Literal["there", "set", "deleted"]
    destination: Text
    via: Texts


def read_routes(directory: Path) -> tuple[RouteChange, ...]:
    """The changes in order of time, none for a point without routers; raises AnalysisError with the line."""
    path = directory / FILE
    found = model.read_lines(RouteChange, path) if reading.is_there(path) else []
    return tuple(sorted(found, key=lambda each: each.t_s))
