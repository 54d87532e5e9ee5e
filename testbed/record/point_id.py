"""The id of a point: what names its directory, its row in every table and its figures."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from testbed.record import reading

_MOST = 200

# It becomes a directory's name, and `..` would leave the run.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*\Z")


def is_point_id(name: object) -> bool:
    """Whether it can be the id of a point: the name of a directory, of letters, digits and `. _ + -`."""
    return isinstance(name, str) and len(name) <= _MOST and bool(_ID.match(name))


def _checked(name: str) -> str:
    if not is_point_id(name):
        raise PydanticCustomError("point_id", "{value} cannot name a point", {"value": reading.shown(name)})
    return name


PointId = Annotated[str, AfterValidator(_checked)]
