"""A configuration put together from layers: a file, one of its profiles, and `--set` options.

Each key path remembers which layer it came from, so that whatever turns out to be wrong with
the whole can be reported where it was written: `file:line`, or the option. Layers are plain
TOML values; what they mean is the schema's business.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from experiments.toml_source import KeyPath, TomlSource
from experiments.values import SYSCTL_ROLES
from testbed.base.errors import ConfigError, TestbedError, UsageError
from testbed.base.parts import KINDS, NAMED_BY, UNSAID
from topologies.directions import DIRECTIONS

_LONGEST = 120
"""Characters of an option that an error quotes."""


@dataclass(frozen=True)
class Origin:
    """Where a key was written: a line of the file, inside the table `prefix`, or a `--set` option.

    `file` is another file than the document's own, if it was that.
    """

    line: int
    prefix: KeyPath = ()
    option: str = ""
    file: Path | None = None


@dataclass(frozen=True)
class Option:
    """`KEY=VALUE` of the command line: the key's path and the value as TOML would read it."""

    text: str
    path: tuple[str, ...]
    value: object


@dataclass(frozen=True)
class Document:
    """The merged values, the origin of every key path, and the options that were applied."""

    path: Path
    data: Mapping[str, object]
    origins: Mapping[KeyPath, Origin]
    options: tuple[str, ...] = field(default=())

    def origin(self, path: KeyPath) -> Origin:
        """Where `path` was written, or the closest table around it that was (the file's line 1 at worst)."""
        for length in range(len(path), -1, -1):
            found = self.origins.get(path[:length])
            if found is not None:
                return found
        return Origin(1)

    def value(self, path: KeyPath) -> object:
        """The value at `path`, or None if there is none."""
        value: object = self.data
        for part in path:
            if isinstance(value, list) and isinstance(part, int):
                value = value[part] if part < len(value) else None
            else:
                value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def error(self, path: KeyPath, what: str, *, hint: str = "") -> TestbedError:
        """The error to raise for what is wrong at `path`: a ConfigError or, for an option, a UsageError."""
        origin = self.origin(path)
        if origin.option:
            return UsageError(f"--set {_brief(origin.option)}: {what}", hint=hint)
        if self.options:
            # The file was right before the options came, so one of them is the cause.
            options = ", ".join(f"--set {_brief(text)}" for text in self.options)
            return UsageError(f"{options}: {what} ({origin.file or self.path}:{origin.line})", hint=hint)
        return ConfigError(origin.file or self.path, origin.line, what, hint=hint)

    def without(self, *keys: str) -> Document:
        """The document without some of its top-level keys."""
        return replace(
            self,
            data={name: value for name, value in self.data.items() if name not in keys},
            origins={path: origin for path, origin in self.origins.items() if path[0] not in keys},
        )

    def overridden(self, values: Mapping[str, object], table: Document) -> Document:
        """This document, overridden by `values`, which stand in `table` (a profile, a scheme, a variant ...)."""
        origins = table.origins
        if table.path != self.path:
            origins = {path: replace(origin, file=origin.file or table.path) for path, origin in origins.items()}
        return self._overlaid(values, origins)

    def with_option(self, option: Option) -> Document:
        """This document, overridden by one `--set`."""
        value: object = option.value
        for part in reversed(option.path):
            value = {part: value}
        assert isinstance(value, Mapping)
        origin = Origin(1, (), option.text)
        origins: dict[KeyPath, Origin] = {option.path[:end]: origin for end in range(1, len(option.path) + 1)}
        changed = self._overlaid(value, origins)
        return replace(changed, options=(*self.options, option.text))

    def _overlaid(self, values: Mapping[str, object], origins: Mapping[KeyPath, Origin]) -> Document:
        merged_origins, above_origins = dict(self.origins), dict(origins)
        above = _with_parts(values, above_origins)
        data = _merge(self.data, above, (), origins=merged_origins, above_origins=above_origins)
        return replace(self, data=_with_tables(data, merged_origins), origins=merged_origins)


def from_source(source: TomlSource) -> Document:
    """The whole file as a document of one layer."""
    origins = {path: Origin(line) for path, line in source.lines.items()}
    return Document(source.path, _with_tables(source.data, origins), origins)


def table_of(document: Document, *prefix: str | int) -> Document:
    """The table at `prefix` as a document of its own, whose origins remember the prefix; `()` is the table's own."""
    values = document.value(prefix)
    if not isinstance(values, Mapping):
        raise document.error(prefix, f"{'.'.join(map(str, prefix))} must be a table")
    depth = len(prefix)
    origins = {
        path[depth:]: replace(origin, prefix=prefix)
        for path, origin in document.origins.items()
        if path[:depth] == prefix and len(path) > depth
    }
    origins[()] = replace(document.origin(prefix), prefix=prefix)
    return Document(document.path, values, origins, document.options)


def leaves(
    table: Mapping[str, object],
    above: tuple[str, ...] = (),
    *,
    is_value: Callable[[Mapping[str, object]], bool] = lambda _table: False,
) -> Iterator[tuple[tuple[str, ...], object]]:
    """The values of a table and of the tables in it, with their paths; `is_value` tells tables that are one."""
    for key, value in table.items():
        if isinstance(value, Mapping) and not is_value(value):
            yield from leaves(value, (*above, key), is_value=is_value)
        else:
            yield (*above, key), value


def parse_option(text: str) -> Option:
    """Parse `KEY=VALUE`: a dotted key, and a value in TOML or, if it is none, a plain text.

    Below `sysctl`, and a role there, the rest of the key is one name: names of sysctls have dots themselves. So it is
    where they are swept.
    Raises UsageError if there is no key or no `=`.
    """
    key, equals, raw = text.partition("=")
    parts = tuple(part.strip() for part in key.split("."))
    if not equals or not all(parts):
        raise UsageError(f"--set {text}: not of the form KEY=VALUE", hint="for example --set workload.concurrency=20")
    above = 2 if parts[:2] == ("sweep", "axes") else 0
    if parts[above : above + 1] == ("sysctl",) and len(parts) > above + 2:
        table = above + (2 if parts[above + 1] in SYSCTL_ROLES else 1)
        parts = (*parts[:table], ".".join(parts[table:]).strip("\"'"))
    return Option(text, parts, option_value(raw.strip()))


def _is_another_part(path: KeyPath, below: Mapping[str, object], above: Mapping[str, object]) -> bool:
    """Whether a part's table makes way for one of another part: its keys would mean nothing there."""
    return len(path) == 1 and path[0] in KINDS and "part" in above and above["part"] != below.get("part")


def _with_parts(data: Mapping[str, object], origins: dict[KeyPath, Origin]) -> dict[str, object]:
    """`[protection] unique_address = "joins-only"` says as well which part it is."""
    whole = dict(data)
    for kind, key in NAMED_BY.items():
        table = whole.get(kind)
        if isinstance(table, Mapping) and key in table and "part" not in table:
            whole[kind] = {"part" if name == key else name: value for name, value in table.items()}
            origins[(kind, "part")] = origins.pop((kind, key), origins.get((kind,), Origin(1)))
    return whole


def _with_tables(data: Mapping[str, object], origins: dict[KeyPath, Origin]) -> dict[str, object]:
    """`director = "ecmp"` is short for the table of a part that says nothing else."""
    whole = _with_parts(data, origins)
    for kind in KINDS:
        name = whole.get(kind)
        if isinstance(name, str):
            whole[kind] = {"part": name}
            origins[(kind, "part")] = origins.get((kind,), Origin(1))
    if "topology" in whole:  # a whole experiment, not what overrides one
        whole = {kind: {"part": name} for kind, name in UNSAID.items()} | whole
    return whole


def _brief(option: str) -> str:
    return option if len(option) <= _LONGEST else f"{option[:_LONGEST]}..."


def option_value(raw: str) -> object:
    """The value that a text stands for in TOML; the text itself if it is none."""
    try:
        parsed = tomllib.loads(f"value = {raw}")
    except tomllib.TOMLDecodeError:
        return raw
    except (RecursionError, ValueError):
        return raw  # brackets without end, or a number of thousands of digits: as a text it is refused where it matters
    # A text with a line break can smuggle in a second key: then it is not one value.
    return parsed["value"] if len(parsed) == 1 else raw


def _merge(
    below: Mapping[str, object],
    above: Mapping[str, object],
    path: KeyPath,
    *,
    origins: dict[KeyPath, Origin],
    above_origins: Mapping[KeyPath, Origin],
) -> dict[str, object]:
    merged = dict(below)
    for key, value in above.items():
        here = (*path, key)
        present = merged.get(key)
        if isinstance(present, str) and isinstance(value, Mapping) and len(value.keys() & set(DIRECTIONS)) > 0:
            present = dict.fromkeys(DIRECTIONS, present)  # what one text said of both
        if isinstance(value, Mapping) and isinstance(present, Mapping) and not _is_another_part(here, present, value):
            merged[key] = _merge(present, value, here, origins=origins, above_origins=above_origins)
            continue
        merged[key] = value
        for known in [known for known in origins if known[: len(here)] == here]:
            del origins[known]
        origins.update({known: origin for known, origin in above_origins.items() if known[: len(here)] == here})
    return merged
