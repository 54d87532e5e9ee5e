"""`--help` of every command: whole sentences at any width, and every command in its place."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from experiments.cli import main
from experiments.cli.command_group import CommandGroup


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            each = command.get_command(context, name)
            assert each is not None, name
            yield from commands(each, (*path, name))


EVERY = dict(commands(main.root))
GROUPS = {path: each for path, each in EVERY.items() if isinstance(each, click.Group)}


def help_of(path: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main.main([*path, "--help"])
    assert ended.value.code == 0
    return capfd.readouterr().out


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_no_sentence_is_cut(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...], width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    usage, _, text = help_of(path, capfd).partition("\n\n")
    assert usage.startswith(f"Usage: {' '.join(('testbed', *path))} ")
    assert [line for line in text.splitlines() if line.rstrip().endswith(("...", "…"))] == []
    assert [line for line in text.splitlines() if len(line) > width] == []
    if group := GROUPS.get(path):
        words = " ".join(text.split())
        assert isinstance(group, CommandGroup)
        for name in group.list_commands(click.Context(group)):
            assert group.short_help_of(name).endswith((".", "?"))
            assert f" {name} {group.short_help_of(name)}" in words


def test_what_is_said_of_a_command_in_a_line_is_said_once() -> None:
    """Its group says it, which does not read the command's module for that: `main.root`."""
    assert {path: each.short_help for path, each in EVERY.items() if len(path) == 1 and each.short_help} == {}


def test_every_command_is_under_a_heading_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    assert isinstance(main.root, CommandGroup)
    sections = main.root.sections()
    assert len(sections) > 3 and "Commands" not in sections  # where click, and ours, put what has no heading
    assert sorted(name for names in sections.values() for name in names) == sorted(main.root.commands)
    headings = [line[:-1] for line in help_of((), capfd).splitlines() if line.endswith(":") and line[0] != " "]
    assert headings == ["Options", *sections]


def test_each_group_is_in_the_order_in_which_one_uses_it() -> None:
    for path, group in GROUPS.items():
        assert isinstance(group, CommandGroup), path
    names = GROUPS[("vm",)].list_commands(click.Context(GROUPS[("vm",)]))
    assert names.index("build") < names.index("start") < names.index("stop") < names.index("destroy")


@pytest.mark.parametrize("path", GROUPS, ids=" ".join)
def test_a_group_alone_shows_its_commands_and_fails(capfd: pytest.CaptureFixture[str], path: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(list(path))
    said = capfd.readouterr()
    shown = said.out + said.err  # click 8.1 shows its help and ends well
    assert ended.value.code == (2 if said.err else 0)
    assert all(f"  {name} " in shown for name in GROUPS[path].list_commands(click.Context(GROUPS[path])))
