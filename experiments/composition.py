"""What experiments are made of: the kinds of parts with their registries, and the parts of a point.

Nobody names a part: an experiment's file does, and everybody else asks the registries, or the point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from experiments.timetables.base import TIMETABLES, Timetable
from experiments.workloads.base import WORKLOADS, Workload
from testbed.base import own_code
from testbed.base.errors import ConfigError, UsageError
from testbed.base.families import ServerAddress
from testbed.base.middlebox import IN_WORDS as MIDDLEBOXES
from testbed.base.own_code import Code
from testbed.base.own_errors import BadCode
from testbed.base.parts import KINDS, UNSAID, Part
from testbed.base.registry import Found, Registry, code_of
from testbed.base.traits import Path as PathTrait
from testbed.base.traits import Traits
from testbed.base.validation import first_problem
from testbed.directors.base import DIRECTORS, Director
from testbed.net.mptcp_settings import Mptcp
from testbed.protection.base import PROTECTIONS, Protection
from testbed.record.point import PartRecord, Point
from testbed.wire import mptcp_wire_limit_bps, tcp_wire_limit_bps
from topologies.base import TOPOLOGIES, Topology

REGISTRIES: Mapping[str, Registry[Any]] = dict(
    zip(KINDS, (TOPOLOGIES, DIRECTORS, WORKLOADS, TIMETABLES, PROTECTIONS), strict=True)
)
"""The registry of each kind of part."""

_TRUST = "--trust-code executes the copy in the run's directory"

_PAST_DIRECTOR = "past the director"

ANSWERS = """\
  answers of servers from the service address: by {way}, past the director
"""

JOINS = """\
  joins come to the service address, as initial subflows do
"""

MIDDLEBOX = """\
  a middlebox next to the client: it {what}
"""

CODE = "parts"
"""The folder with users' own parts, beside a point's `point.json` and in a run's directory."""


@dataclass(frozen=True)
class Parts:
    """The parts of one point, and the code of those that are users' own."""

    topology: Topology
    director: Director
    workload: Workload
    timetable: Timetable
    protection: Protection
    codes: Mapping[str, Code]

    def by_kind(self) -> dict[str, Part]:
        """Each part by its kind."""
        parts = (self.topology, self.director, self.workload, self.timetable, self.protection)
        return dict(zip(KINDS, parts, strict=True))

    def records(self) -> dict[str, PartRecord]:
        """What a point's record has of each part."""
        return {kind: self._record(kind, part) for kind, part in self.by_kind().items()}

    def _record(self, kind: str, part: Part) -> PartRecord:
        code = self.codes.get(kind)
        if code and (field := _changed_by_json(part)):
            name, kind_of = f"{type(part).__name__}.{field}", type(getattr(part, field)).__name__
            what = f"{code.name}: {name}: a {kind_of} does not come back as it was from JSON, as which it reaches a lab"
            raise UsageError(what, hint="take text, numbers, lists and tables")
        settings = {key: value for key, value in part.plain().items() if key != "part"}
        own = {"sha256": code.sha256, "module": code.module} if code else {}
        # Of a path its last part: where it lies is this machine's own.
        name = part.part if code is None or code.module else code.name
        return PartRecord.model_validate({"name": name, "settings": settings, "parameters": part.parameters(), **own})

    def traits(self, *, mptcp: bool, past_director: bool, must_join: bool = False, fullmesh: bool = False) -> Traits:
        """What the analysis must know of them; `past_director`: connections can leave the service address.

        `must_join` is the experiment's to say: see `Traits`. `fullmesh`: the client joins a server's own address from
        all of its addresses.
        """
        return Traits(
            service_path=self.director.service_path,
            paths=tuple(self._paths(mptcp=mptcp, fullmesh=fullmesh)),
            ends_by=self.workload.ends_by,
            planned_s=self.workload.planned_s,
            sender=self.workload.sender,
            servers=self.topology.servers,
            bottlenecks=self.topology.bottlenecks(mptcp=mptcp or self._answers_past),
            delivery_share=self.topology.delivery_share(),
            per_second=self.workload.per_second,
            requests=self.workload.complete_requests,
            must_join=must_join,
            limit_note=self._limit_note(mptcp=mptcp, past_director=past_director),
            picture=self._picture(),
        )

    @property
    def _answers_past(self) -> bool:
        """Whether what servers send from the service address goes past the director."""
        return bool(self.topology.answers_past()) and not self.director.carries_answers()

    def _limit_note(self, *, mptcp: bool, past_director: bool) -> str:
        """Nothing where all that a server sends goes by one path."""
        if self._answers_past and self.workload.sender == "server":
            return ""
        return self.topology.limit_note(mptcp=mptcp, past_director=past_director)

    def _picture(self) -> str:
        picture = self.topology.drawn(self.director.drawn_as or self.director.part)
        if kind := self.topology.middlebox:
            picture += MIDDLEBOX.format(what=MIDDLEBOXES[kind])
        if self.director.carries_joins:
            picture += JOINS
        return picture + ANSWERS.format(way=self.topology.answers_past()) if self._answers_past else picture

    def _paths(self, *, mptcp: bool, fullmesh: bool) -> Iterator[PathTrait]:
        """Where packets go: the topology has the ways, and the director says which of them its answers take."""
        ways: list[tuple[Literal["to-client", "to-server"], ServerAddress, bool]] = [
            ("to-server", "service", False),
            ("to-client", "service", self._answers_past),
            ("to-server", "unique", True),
            ("to-client", "unique", True),
        ]
        if fullmesh and self.topology.path_interfaces(past_director=False):
            # To the client's first address a server answers by its default route, whatever it answers from.
            ways.append(("to-client", "unique", False))
        if self._answers_past and len(self.topology.layout().directors) > 1:
            # A director that has no entry for what comes to it answers for itself: with a RST.
            ways.append(("to-client", "service", False))
        for direction, address, past in ways:
            yield PathTrait(
                name=_PAST_DIRECTOR if past else self.director.service_path,
                direction=direction,
                address=address,
                interfaces=self.topology.path_interfaces(past_director=past),
                past_director=past,
                wire_limit_bps=self.wire_limit_bps(mptcp=mptcp, past_director=past, address=address),
            )

    def bulk_wire_limit_bps(self, *, mptcp: bool, past_director: bool) -> float:
        """The goodput that the wire allows by the path that most of a transfer takes, from whoever sends it.

        `past_director` as in `traits`.
        """
        past = past_director or (self._answers_past and self.workload.sender == "server")
        return self.wire_limit_bps(mptcp=mptcp, past_director=past, address="unique" if past_director else "service")

    def wire_limit_bps(self, *, mptcp: bool, past_director: bool, address: ServerAddress) -> float:
        """The goodput that the wire allows by the path through the director, or past it, with a server's `address`."""
        rate_bps, family = self.topology.path_rate_bps(past_director=past_director), self.topology.families.of(address)
        if mptcp:
            return round(mptcp_wire_limit_bps(rate_bps, family, upload=self.workload.sender == "client"), 1)
        return round(tcp_wire_limit_bps(rate_bps, family), 1)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """What goes wrong inside a user's own part is a `UsageError` of one line, with its file and line."""
        with own_code.explained(tuple(self.codes.values())):
            yield


def _changed_by_json(part: Part) -> str:
    """The first field of a part that does not come back from its record as it was; empty: all of them do."""
    for name in type(part).model_fields:
        try:
            part.model_dump(mode="json", include={name})
        except ValueError:  # pydantic's word for what it has no JSON for
            return name
    try:
        again = type(part).from_plain(part.plain())
    except ValidationError as error:
        aliases = {field.alias: name for name, field in type(part).model_fields.items() if field.alias}
        where = str(error.errors()[0]["loc"][0])
        name = aliases.get(where, where)
        # A number that is none is told of where the record is made.
        return "" if isinstance(getattr(part, name, None), float) else name
    return next((name for name in type(part).model_fields if getattr(again, name) != getattr(part, name)), "")


def parts_of(point: Point) -> Parts:
    """The parts that a point's record describes.

    Raises `ConfigError` if it describes none, and `UsageError` for a user's own part that nobody has named here.
    """
    parts: dict[str, Any] = {}
    codes: dict[str, Code] = {}
    for kind in KINDS:
        record = point.parts.get(kind) or (PartRecord(name=UNSAID[kind]) if kind in UNSAID else None)
        if record is None:
            raise ConfigError("point.json", None, f"{point.id}: it has no {kind}")
        found = _found(kind, record, point.id)
        if found.code:
            codes[kind] = found.code
        try:
            parts[kind] = found.part.from_plain({**record.settings, "part": record.name})
        except (ValidationError, TypeError) as error:
            problem = first_problem(error) if isinstance(error, ValidationError) else str(error)
            what = f"{point.id}: these are no settings of the {kind} {record.name}: {problem}"
            raise ConfigError("point.json", None, what) from error
    return Parts(**parts, codes=codes)


def import_parts() -> None:
    """Import our parts, all of them: a program that is to run many points does it once."""
    for registry in REGISTRIES.values():
        for _ in registry.all_ours():
            pass


def mptcp_of(point: Point) -> Mptcp:
    """How a point's server and client use MPTCP; raises `ConfigError`."""
    try:
        return Mptcp.from_plain(point.mptcp)
    except ValidationError as error:
        raise ConfigError("point.json", None, f"{point.id}: mptcp.{first_problem(error)}") from error


def write_code(parts: Parts, folder: Path) -> None:
    """Leave the code of users' own parts beside a point's `point.json`, for the agent; raises OSError."""
    for kind, code in parts.codes.items():
        code.write(folder / CODE / kind)


def load_code(point: Point, folder: Path) -> None:
    """Load the code that `write_code` has left, if it is what the point says; raises `ConfigError`."""
    for kind, record in point.parts.items():
        if record.sha256:
            try:
                code = own_code.found(folder / CODE / kind, record.module)
                if code.sha256 != record.sha256:
                    raise BadCode(f"{record.name}: it has been changed: it is not what point.json says")
                code.load()
            except BadCode as error:
                raise ConfigError("point.json", None, f"{point.id}: {error}", hint=error.hint) from error


def _found(kind: str, record: PartRecord, point_id: str) -> Found[Any]:
    registry = REGISTRIES[kind]
    try:
        if not record.sha256:
            return registry.find_ours(record.name)  # a point may be anybody's: a path in it is never followed
        code = own_code.recall(record.sha256) or _installed(registry, record)
        if code is None:
            own = f"{point_id}: its {kind} is code of a user's own, {record.name} (SHA-256 {record.sha256[:16]}...)"
            if others := own_code.loaded(record.name):
                other = f"; the {record.name} that you name is another one (SHA-256 {others[0].sha256[:16]}...)"
                raise UsageError(own + other, hint=_TRUST)
            raise UsageError(own, hint=f"name it: --part {record.name}; or {_TRUST}")
        return registry.load(record.name, code)
    except LookupError as error:
        raise ConfigError("point.json", None, f"{point_id}: there is no {kind} {record.name!r}") from error
    except BadCode as error:
        raise ConfigError("point.json", None, f"{point_id}: {error}", hint=error.hint) from error


def _installed(registry: Registry[Any], record: PartRecord) -> Code | None:
    """The code of an installed package's part, if it is the very one of the record: whoever installed it trusts it."""
    entry = registry.installed().get(record.name) if record.module else None
    code = code_of(entry) if entry else None
    return code if code and (code.sha256, code.module) == (record.sha256, record.module) else None
