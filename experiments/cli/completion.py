"""What a shell completes beyond what click knows by itself: experiments and schemes, by name or as a file."""

from __future__ import annotations

from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem


def experiments(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """The experiments that come with the toolkit; where none begins so, files: shells show either."""
    from experiments import plan

    return _beginning(begun, plan.available()) or [CompletionItem(begun, type="file")]


def set_ups(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """The paper's two set-ups; where neither begins so, experiments."""
    return _beginning(begun, ("lb", "anycast")) or experiments(context, parameter, begun)


def schemes(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """The schemes that come with the toolkit."""
    from experiments.schemes import built_in

    return _beginning(begun, (*built_in(), "all"))


def _beginning(begun: str, names: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(begun)]
