"""Which options a command was given: one that it would ignore, beside what else it was given, is refused."""

from __future__ import annotations

import click
from click.core import ParameterSource

from testbed.base.errors import UsageError

_UNSAID = (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)


def given(context: click.Context, *names: str) -> list[str]:
    """Of the parameters of these names those that were given, as they are written (`--seed`), whatever their value."""
    return [
        parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
        for parameter in context.command.params
        if parameter.name in names and context.get_parameter_source(parameter.name) not in _UNSAID
    ]


def require_not_given(context: click.Context, names: tuple[str, ...], why: str, hint: str = "leave it out") -> None:
    """Raise `UsageError`, `why: it takes no --seed and --set`, if parameters of these names were given."""
    found = given(context, *names)
    if found:
        *first, last = found
        raise UsageError(f"{why}: it takes no {' and '.join(filter(None, (', '.join(first), last)))}", hint=hint)
