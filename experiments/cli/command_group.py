"""A group of commands whose help lists them under headings, each with the whole of its short description.

click cuts what it takes from a docstring to the width of the terminal. So every command of a group has a short
description of its own, which click leaves alone; a longer one than the line has room for goes on in the next line.

A command may be listed by where it is: its module is read once the command is called for, so that none waits for what
only others import, nor fails for want of it.
"""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from typing import Any

import click
from click.shell_completion import CompletionItem

from testbed import extras
from testbed.base.errors import PrerequisiteError

_REST = "Commands"


@dataclass(frozen=True)
class Listed:
    """A command by its name, what the group's help says of it, and where it is: `module:attribute`, beside this one."""

    name: str
    place: str
    short_help: str

    def load(self) -> click.Command:
        """The command; raises `PrerequisiteError` if it needs a package of an extra that is not installed."""
        module, _, attribute = self.place.partition(":")
        with extras.explained(f"testbed {self.name}"):
            found = getattr(importlib.import_module(f"{__package__}.{module}"), attribute)
        assert isinstance(found, click.Command), self.place
        return found


class CommandGroup(click.Group):
    """Commands in the order in which they were added, and under the heading with which they were."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._headings: dict[str, list[str]] = {}
        self._listed: dict[str, Listed] = {}

    def list_later(self, heading: str, *commands: Listed) -> None:
        """Add commands whose modules are read when they are called for, as one section of the help."""
        for command in commands:
            self._listed[command.name] = command
            self._headings.setdefault(heading, []).append(command.name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, None if there is none; raises `PrerequisiteError` as `Listed.load`.

        For a shell that completes what is being typed it has nothing to say instead: nobody reads there what is wrong.
        """
        if cmd_name in self._listed and cmd_name not in self.commands:
            try:
                self.add_command(self._listed[cmd_name].load(), cmd_name)
            except PrerequisiteError:
                if ctx.resilient_parsing:
                    return click.Command(cmd_name)
                raise
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called for; of a name that is none the nearest one is said, also where it is read later.

        Raises `click.UsageError`.
        """
        name = args[0]
        if name.startswith("-") or ctx.resilient_parsing or self.get_command(ctx, name) is not None:
            return super().resolve_command(ctx, args)
        close = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
        meant = f". Did you mean {close[0]!r}?" if close else ""
        raise click.UsageError(f"No such command {name!r}{meant}", ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of the help."""
        return [name for names in self.sections().values() for name in names]

    def short_help_of(self, name: str) -> str:
        """What the help says of a command in a line."""
        return self._listed[name].short_help if name in self._listed else self.commands[name].get_short_help_str()

    def sections(self) -> dict[str, list[str]]:
        """The names of the commands under each heading; those that were added without one come last."""
        placed = {name for names in self._headings.values() for name in names}
        rest = [name for name in self.commands if name not in placed] + self._headings.get(_REST, [])
        headed = {heading: names for heading, names in self._headings.items() if heading != _REST}
        return {**headed, **({_REST: rest} if rest else {})}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections; what a command does starts in the same column in all of them."""
        width = max(map(len, self.list_commands(ctx)), default=0)
        for heading, names in self.sections().items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), self.short_help_of(name)) for name in names])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands that begin so, and what else click completes; no module is read for it."""
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        of_options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(name, help=self.short_help_of(name)) for name in names), *of_options]
