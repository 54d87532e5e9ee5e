"""What pydantic says of a stranger's data, in a few words."""

from __future__ import annotations

from pydantic import ValidationError

from testbed.base.table import ONE_OF

_MOST_SHOWN = 60


def first_problem(error: ValidationError, *within: str) -> str:
    """The first thing that is wrong: `where: what`, `within` before the place, and no more of a long key than fits."""
    first = error.errors(include_url=False, include_input=False)[0]
    parts = [str(part) for part in (*within, *first["loc"]) if part not in ONE_OF]
    where = ".".join(part if len(part) <= _MOST_SHOWN else f"{part[:_MOST_SHOWN]}..." for part in parts)
    return f"{where}: {first['msg']}" if where else first["msg"]
