"""A group of commands whose help lists them under headings, each with the whole of its short description.

click cuts what it takes from a docstring to the width of the terminal. So every command states its `short_help`, which
click leaves alone; a longer one than the line has room for goes on in the next line.
"""

from __future__ import annotations

from typing import Any

import click


class CommandGroup(click.Group):
    """Commands in the order in which they were added, and under the heading with which they were."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._headings: dict[str, list[str]] = {}

    def add_commands(self, heading: str, *commands: click.Command) -> None:
        """Add commands that have their names, as one section of the help."""
        for command in commands:
            self.add_command(command)
            self._headings.setdefault(heading, []).append(command.name or "")

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of the help."""
        return [name for names in self.sections().values() for name in names]

    def sections(self) -> dict[str, list[str]]:
        """The names of the commands under each heading; those that were added without one come last."""
        placed = {name for names in self._headings.values() for name in names}
        rest = [name for name in self.commands if name not in placed]
        return {**self._headings, **({"Commands": rest} if rest else {})}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections; what a command does starts in the same column in all of them."""
        width = max((len(name) for name in self.commands), default=0)
        for heading, names in self.sections().items():
            commands = [(name, self.commands[name]) for name in names]
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), command.get_short_help_str()) for name, command in commands])
