"""The raw directory of one experiment point: its JSON files as typed data.

Enters: what the agent inside the lab and the runner wrote. Leaves: frozen dataclasses. Anything missing or
malformed is one AnalysisError that names the file and the key.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from testbed.base.errors import AnalysisError
from testbed.base.manifest import is_point_id
from testbed.base.traits import Traits
from testbed.base.validation import first_problem
from testbed.record import reading
from testbed.record.legacy import traits_of

POINT_VERSION = 1

_T = TypeVar("_T", int, float, str, "dict[str, Any]", "list[Any]")


@dataclass(frozen=True)
class Point:
    """What was to be measured (`point.json`); each name in `parameters` ends in its unit."""

    id: str
    experiment: str
    figure: str
    title: str
    plot: str
    scenario: str
    variant: str
    condition: str
    protocol: str
    object_bytes: int
    seed: int
    clock: str
    profile: str
    parameters: Mapping[str, object]
    wire_limit_bps: float | None
    traits: Traits = field(default_factory=Traits)

    @property
    def drop_packet(self) -> str:
        """The packet of which each connection was to lose one, or an empty text."""
        packet = self.parameters.get("drop_packet", "none")
        return packet if isinstance(packet, str) and packet != "none" else ""

    @property
    def is_upload(self) -> bool:
        """Whether the client sends the pages."""
        return self.traits.sender == "client"

    def number(self, parameter: str) -> float | None:
        """A parameter as a number, or None where the point does not have it."""
        value = self.parameters.get(parameter)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


@dataclass(frozen=True)
class Outcome:
    """How the run of the point ended (`outcome.json`); seconds, None where they are unknown."""

    ok: bool
    error: str
    wall_s: float | None
    virtual_s: float | None
    kernel_warnings: tuple[str, ...]


@dataclass(frozen=True)
class Event:
    """Something that happened `t` seconds after the workload's start (`events.jsonl`)."""

    t: float
    event: str
    server: str = ""
    epoch_s: float | None = None


@dataclass(frozen=True)
class Addresses:
    """Who is who in the captures (`addresses.json`); IPv4 addresses as integers.

    `service` is the VIP or the anycast address, `unique` each server's own: what a client receives from there
    went past the director. `local` is what a server's own socket sees of the service, and `more_services` are further
    service addresses (of captures that are no point).
    """

    client: tuple[int, ...]
    service: int
    service_port: int
    unique: Mapping[str, int]
    local: Mapping[str, int] = field(default_factory=dict)
    more_services: tuple[int, ...] = ()

    @property
    def services(self) -> tuple[int, ...]:
        """Every service address."""
        return (self.service, *self.more_services)

    @property
    def servers(self) -> frozenset[int]:
        """Every address of a server that a client may see."""
        return frozenset((*self.services, *self.unique.values()))


@dataclass(frozen=True)
class CaptureFile:
    """One capture of a client interface and what tcpdump said about it (`captures.json`)."""

    interface: str
    file: str
    captured: int
    dropped: int


@dataclass(frozen=True)
class HostLoad:
    """A second of the machine (`host_load.jsonl`): its end and length; what its cores did, in seconds."""

    epoch_s: float
    seconds: float
    busy_s: float
    idle_s: float
    stolen_s: float


# Seconds whose nanoseconds still have 63 bits; seeds have 64.
_LARGEST = {"t": 1e9, "epoch_s": 9e9, "seed": 1 << 64}
_ANY = 1e15
_HOST_LOAD = ("epoch_s", "seconds", "busy_s", "idle_s", "stolen_s")


def read_point(directory: Path) -> Point:
    """The point of a raw directory; raises AnalysisError, also for a version that is not this one."""
    raw, name = _load(directory / "point.json", dict)
    if raw.get("version") != POINT_VERSION:
        raise AnalysisError(
            f"{name}: version {reading.shown(raw.get('version'))}, but this toolkit reads version {POINT_VERSION}"
        )
    if not is_point_id(_get(raw, "id", str, name)):
        raise AnalysisError(f"{name}: 'id' is {reading.shown(raw['id'])}, which cannot name a point")
    limit = raw.get("wire_limit_bps")
    return Point(
        id=_get(raw, "id", str, name),
        experiment=_get(raw, "experiment", str, name),
        figure=_get(raw, "figure", str, name),
        title=_get(raw, "title", str, name),
        plot=_get(raw, "plot", str, name),
        scenario=_get(raw, "scenario", str, name),
        variant=_get({"variant": "", **raw}, "variant", str, name),
        condition=_get({"condition": "", **raw}, "condition", str, name),
        protocol=_get(raw, "protocol", str, name),
        object_bytes=_get(raw, "object_bytes", int, name),
        seed=_get(raw, "seed", int, name),
        clock=_get(raw, "clock", str, name),
        profile=_get({"profile": "", **raw}, "profile", str, name),
        parameters=_get(raw, "parameters", dict, name),
        wire_limit_bps=None if limit is None else _get(raw, "wire_limit_bps", float, name),
        traits=read_traits(raw, name),
    )


def read_traits(raw: Mapping[str, Any], name: str) -> Traits:
    """The traits of a point, or of its summary; those of one that has none follow from its scenario.

    Raises AnalysisError, naming the file `name`.
    """
    try:
        if "traits" in raw:
            return Traits.model_validate(raw["traits"])
        return traits_of(
            _get(raw, "scenario", str, name), str(raw.get("protocol")), _get(raw, "parameters", dict, name)
        )
    except ValidationError as error:
        raise AnalysisError(f"{name}: {first_problem(error, 'traits')}") from error


def read_outcome(directory: Path) -> Outcome:
    """How the point ended; raises AnalysisError."""
    raw, name = _load(directory / "outcome.json", dict)
    return Outcome(
        ok=_get(raw, "status", str, name) == "ok",
        error=str(raw.get("error") or ""),
        wall_s=None if raw.get("wall_s") is None else _get(raw, "wall_s", float, name),
        virtual_s=None if raw.get("virtual_s") is None else _get(raw, "virtual_s", float, name),
        kernel_warnings=tuple(
            str(line) for line in _get({"kernel_warnings": [], **raw}, "kernel_warnings", list, name)
        ),
    )


def read_events(directory: Path) -> tuple[Event, ...]:
    """The events in order of time; raises AnalysisError with the line of a malformed one."""
    path = directory / "events.jsonl"
    events = []
    for name, raw in reading.read_lines(path):
        epoch_s = None if raw.get("epoch_s") is None else _get(raw, "epoch_s", float, name)
        t_s = _get(raw, "t", float, name)
        events.append(Event(t_s, _get(raw, "event", str, name), str(raw.get("server") or ""), epoch_s))
    return tuple(sorted(events, key=lambda event: event.t))


def read_addresses(directory: Path) -> Addresses:
    """The addresses of the client, the service and the servers; raises AnalysisError."""
    raw, name = _load(directory / "addresses.json", dict)
    service = _get(raw, "service", dict, name)
    servers = _get(raw, "servers", dict, name)
    return Addresses(
        client=tuple(_address(text, name) for text in _get(raw, "client", list, name)),
        service=_address(_get(service, "address", str, name), name),
        service_port=_get(service, "port", int, name),
        unique={
            server: _address(entry["unique"], name)
            for server, entry in servers.items()
            if isinstance(entry, dict) and entry.get("unique")
        },
        local={
            server: _address(entry["local"], name)
            for server, entry in servers.items()
            if isinstance(entry, dict) and entry.get("local")
        },
    )


def read_captures(directory: Path) -> tuple[CaptureFile, ...]:
    """The list of captures; raises AnalysisError."""
    raw, name = _load(directory / "captures.json", list)
    if not all(isinstance(entry, dict) for entry in raw):
        raise AnalysisError(f"{name}: not a list of objects")
    return tuple(
        CaptureFile(
            _get(entry, "interface", str, name),
            _file(entry, name),
            _get(entry, "captured", int, name),
            _get(entry, "dropped", int, name),
        )
        for entry in raw
    )


def read_host_load(directory: Path) -> tuple[HostLoad, ...] | None:
    """How busy the machine was, second by second; None where nobody noted it; raises AnalysisError."""
    path = directory / "host_load.jsonl"
    if not reading.is_there(path):
        return None
    return tuple(
        HostLoad(**{key: _get(raw, key, float, name) for key in _HOST_LOAD}) for name, raw in reading.read_lines(path)
    )


@dataclass(frozen=True)
class ServerCapture:
    """One capture of SYNs and RSTs at a server (`server_captures.json`)."""

    node: str
    file: str


def read_server_captures(directory: Path) -> tuple[ServerCapture, ...]:
    """The list of captures at the servers, empty for a point without them; raises AnalysisError."""
    if not reading.is_there(directory / "server_captures.json"):
        return ()
    raw, name = _load(directory / "server_captures.json", list)
    if not all(isinstance(entry, dict) for entry in raw):
        raise AnalysisError(f"{name}: not a list of objects")
    return tuple(ServerCapture(_get(entry, "node", str, name), _file(entry, name)) for entry in raw)


def read_injected_drops(directory: Path) -> int:
    """How many packets the point's loss injector dropped; raises AnalysisError."""
    raw, name = _load(directory / "loss_injection.json", dict)
    return _get(raw, "dropped", int, name)


def _load(path: Path, kind: type[_T]) -> tuple[_T, str]:
    value = reading.parse(reading.read_text(path, path.name), path.name)
    if not isinstance(value, kind):
        raise AnalysisError(f"{path.name}: not a JSON {'object' if kind is dict else 'list'}")
    return value, path.name


def _get(raw: Mapping[str, object], key: str, kind: type[_T], name: str) -> _T:
    value = raw.get(key)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        what = "missing" if key not in raw else f"{reading.shown(value)}, not of type {kind.__name__}"
        raise AnalysisError(f"{name}: {key!r} is {what}")
    if isinstance(value, float) and not math.isfinite(value):
        raise AnalysisError(f"{name}: {key!r} is not a finite number")
    if isinstance(value, int | float) and abs(value) > _LARGEST.get(key, _ANY):
        raise AnalysisError(f"{name}: {key!r} is {reading.shown(value)}, which is beyond all bounds")
    return value


def _file(entry: Mapping[str, object], name: str) -> str:
    """The name of a capture beside the list; whatever it says, it leads nowhere else."""
    file = Path(_get(entry, "file", str, name)).name
    if not file or not file.isprintable():
        raise AnalysisError(f"{name}: 'file' is {reading.shown(entry['file'])}, which names no file")
    return file


def _address(text: object, name: str) -> int:
    try:
        return int(ipaddress.IPv4Address(str(text)))
    except ipaddress.AddressValueError as error:
        raise AnalysisError(f"{name}: {reading.shown(text)} is not an IPv4 address") from error
