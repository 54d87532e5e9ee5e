"""Quantities of a table in an experiment's file: a text with its unit there, a plain number here, within bounds.

A rate is in bit/s, a size in bytes, a duration in seconds, a share between 0 and 1. A point's record has plain numbers
already: they are taken as they are where the validation's context is `PLAIN`. All raise ValueError with what is wrong;
pydantic puts the place before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

from testbed.base.text import plain
from testbed.base.units import ABOVE_ZERO, DURATION, RATE, SHARE, SIZE, Quantity

T = TypeVar("T")

PLAIN: Mapping[str, Any] = {"quantities": "plain"}
"""The context of a validation whose numbers have no unit any more."""

# The address plans number servers in the last byte of an address; ab sets the other one.
MAX_SERVERS = 64
MAX_DIRECTORS = 8
MAX_AB_CONCURRENCY = 20_000
MAX_REQUESTS = 10_000_000

MAX_OBJECT_BYTES = 10**9
MAX_DELAY_S = 60
MAX_DURATION_S = 10**7
MAX_TIMER_S = 86_400
MAX_RATE_BPS = 10**13
# tc counts whole bytes a second, and takes none for no limit.
MIN_RATE_BPS = 1000
# netem keeps a loss in 32 bits: half of this is none.
MIN_LOSS = 2.0**-32


def _read(quantity: Quantity) -> BeforeValidator:
    what, example = quantity.name, quantity.example

    def validate(value: object, info: ValidationInfo) -> object:
        if info.context == PLAIN:
            return value
        if isinstance(value, str):
            return quantity.parse(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise ValueError(f'{value} has no unit: a {what} is a text such as "{example}"')
        raise ValueError(f'a {what} is a text such as "{example}"')

    return BeforeValidator(validate)


def _of_this_world_bps(value: int) -> int:
    if not 0 < value <= MAX_RATE_BPS:
        raise ValueError(f"a rate is {MAX_RATE_BPS // 10**9} Gbit/s at most")
    if value < MIN_RATE_BPS:
        raise ValueError(f"a rate is {MIN_RATE_BPS // 10**3} kbit/s at least")
    return value


def _of_this_world_s(value: float) -> float:
    if not 0 <= value <= MAX_DURATION_S:
        raise ValueError(f"a duration is {MAX_DURATION_S} s at most")
    return value


def _above_zero(value: float) -> float:
    if value <= 0:
        raise ValueError("a duration of 0 makes no sense here")
    return value


def _whole_seconds(value: float) -> float:
    if value != int(value):
        raise ValueError(f"{value:g} s is not a number of whole seconds, which is all that the kernel takes here")
    if value > MAX_TIMER_S:
        raise ValueError(f"{value:g} s is above {MAX_TIMER_S} s")
    return value


def _of_a_link(value: float) -> float:
    if value > MAX_DELAY_S:
        raise ValueError(f"a delay of {value:g} s is above {MAX_DELAY_S} s")
    return value


def _of_a_page(value: int) -> int:
    if value > MAX_OBJECT_BYTES:
        raise ValueError(f"{value} bytes are above 1 GB, the most that a server can keep")
    return value


def _one_line(value: str) -> str:
    if plain(value) != value:
        raise ValueError(f"{plain(value)!r} is no line of plain text")
    return value


def _not_everything(value: float) -> float:
    if not 0 <= value < 1:
        raise ValueError("a loss of 100 % lets nothing through")
    if 0 < value < MIN_LOSS:
        raise ValueError(f"a loss of {value * 100:g} % is below {MIN_LOSS * 100:.2g} %, the least that netem can make")
    return value


def distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    """The values, no two of which are equal; raises ValueError."""
    if len(set(values)) != len(values):
        raise ValueError("the same value stands in the list twice")
    return values


def _as_text(quantity: Quantity, number: str = "") -> WithJsonSchema:
    """A quantity's JSON Schema is that of the text in a file."""
    return WithJsonSchema(quantity.json_schema(number))


Rate = Annotated[int, _read(RATE), AfterValidator(_of_this_world_bps), _as_text(RATE)]
Size = Annotated[int, _read(SIZE), _as_text(SIZE)]
Duration = Annotated[float, _read(DURATION), AfterValidator(_of_this_world_s), _as_text(DURATION)]
Loss = Annotated[float, _read(SHARE), AfterValidator(_not_everything), _as_text(SHARE)]
PositiveDuration = Annotated[Duration, AfterValidator(_above_zero), _as_text(DURATION, ABOVE_ZERO)]
WholeSeconds = Annotated[Duration, AfterValidator(_whole_seconds)]
Patience = Annotated[PositiveDuration, AfterValidator(_whole_seconds)]
Delay = Annotated[Duration, AfterValidator(_of_a_link)]
PageSize = Annotated[Size, AfterValidator(_of_a_page)]
Text = Annotated[str, AfterValidator(_one_line)]
Servers = Annotated[int, Field(ge=1, le=MAX_SERVERS)]
Concurrency = Annotated[int, Field(ge=1, le=MAX_AB_CONCURRENCY)]
Requests = Annotated[int, Field(ge=1, le=MAX_REQUESTS)]

# TOML has lists only, and a strict tuple would refuse one; what is inside stays strict.
Sizes = Annotated[
    tuple[PageSize, ...],
    Field(strict=False, min_length=1, json_schema_extra={"uniqueItems": True}),
    AfterValidator(distinct),
]
