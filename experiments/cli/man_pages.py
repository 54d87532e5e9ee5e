"""The manual pages, a command each, made of what the commands say of themselves: what `make man` writes.

`python -m experiments.cli.man_pages DIR` writes them there, and removes those of commands that are no more. It reads
every command's module, so it takes all extras, and click-man.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click_man.core import generate_man_page

import testbed
from experiments.cli.command_group import CommandGroup
from experiments.cli.main import root

_NO_DATE = " "  # a page changes when what it says does


def write(folder: Path) -> None:
    """Write the pages to a directory that has no others, each by its name, such as `testbed-run.1`."""
    folder.mkdir(parents=True, exist_ok=True)
    found = dict(_pages(root, click.Context(root, info_name="testbed"), root.get_short_help_str(limit=100)))
    for stale in set(folder.glob("*.1")) - {folder / name for name in found}:
        stale.unlink()
    for name, text in found.items():
        (folder / name).write_text(text, encoding="utf-8")


def _pages(command: click.Command, context: click.Context, short_help: str) -> Iterator[tuple[str, str]]:
    if isinstance(command, CommandGroup):
        for name in command.list_commands(context):
            each = command.get_command(context, name)
            assert each is not None
            yield from _pages(each, click.Context(each, info_name=name, parent=context), command.short_help_of(name))
    command.short_help = short_help.rstrip(".")  # its own page and its group's both have it
    text = generate_man_page(context, version=f"testbed {testbed.__version__}", date=_NO_DATE)
    yield f"{context.command_path.replace(' ', '-')}.1", text


if __name__ == "__main__":
    write(Path(sys.argv[1]))
