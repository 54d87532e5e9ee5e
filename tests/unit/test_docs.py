"""Every command that a page of the documentation shows can be given, and every link of a page leads somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from experiments import plan
from experiments.cli.main import root

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        ROOT / "README.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("analysis/*.md"),
        *ROOT.glob("kernel-patches/*.md"),
    )
)
COMMAND = re.compile(r"(?:\$ )?(?:sudo )?(?:\S*/)?testbed( .*)?$")
OF_THE_KERNEL = {"allnoconfig"}
TARGETS = {
    name
    for line in re.findall(r"^([a-z][\w -]*):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    for name in line.split()
}


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str) -> tuple[str, str]:
    """The lines of a page's fenced blocks, and the rest of it."""
    parts = re.split(r"^```.*$", text, flags=re.M)
    return "\n".join(parts[1::2]).replace("\\\n", " "), "\n".join(parts[::2])


def commands(text: str) -> Iterator[str]:
    fenced, prose = blocks(text)
    for line in (*fenced.splitlines(), *re.findall(r"`([^`]+)`", prose)):
        if found := COMMAND.match(" ".join(line.split())):
            yield found[1] or ""


def objections(command: str) -> Iterator[str]:
    """What the command line would say of a command's name, its options, and the experiments that it names."""
    words = shlex.split(command, comments=True)
    words = words[: next((at for at, word in enumerate(words) if word in ("--", "|", "<", ">", "&&")), len(words))]
    found: click.Command = root
    names = []
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        names.append(words[0])
        inner = found.get_command(click.Context(found), words.pop(0))
        if inner is None:
            yield f"no command {names[-1]!r}"
            return
        found = inner
    known = {name: each for each in found.params for name in (*each.opts, *each.secondary_opts)}
    rest = iter(words)
    for word in rest:
        name = word.partition("=")[0]
        if name in ("--help", "-h", "--version"):
            continue
        if name.startswith("-") and len(name) > 1:
            option = known.get(name)
            if option is None:
                yield f"no option {name!r}"
            elif isinstance(option, click.Option) and not (option.is_flag or option.count or "=" in word):
                next(rest, None)
        elif names in (["run"], ["explore"]) and re.fullmatch(r"[a-z0-9-]+", word) and word not in plan.available():
            yield f"no experiment {word!r}"


@pytest.mark.parametrize("name", PAGES)
def test_every_command_on_a_page_is_one_that_there_is(name: str) -> None:
    wrong = {command: list(objections(command)) for command in commands(page(name))}
    assert {command: said for command, said in wrong.items() if said} == {}


@pytest.mark.parametrize("name", PAGES)
def test_every_make_target_on_a_page_is_one_that_there_is(name: str) -> None:
    fenced, prose = blocks(page(name))
    named = re.findall(r"^make ([a-z][\w-]*)", fenced, re.M) + re.findall(r"`make ([a-z][\w-]*)", prose)
    assert set(named) - TARGETS - OF_THE_KERNEL == set()


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(name: str) -> None:
    folder, broken = (ROOT / name).parent, []
    for target, heading in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", blocks(page(name))[1]):
        if re.match(r"[a-z]+:", target):
            continue
        path = folder / target if target else ROOT / name
        if not path.exists() or (heading and heading not in headings(path.read_text(encoding="utf-8"))):
            broken.append(f"{target}#{heading}")
    assert broken == []


def headings(text: str) -> set[str]:
    """As they stand in links: lower case, hyphens for spaces, and no punctuation."""
    found = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in found}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("rnu fig07", "no command 'rnu'"),
        ("run fig07 --seeds", "no option '--seeds'"),
        ("run --out fig99 fig98", "no experiment 'fig98'"),
        ("kernel biuld", "no command 'biuld'"),
    ],
)
def test_a_command_that_there_is_not_would_be_found(command: str, said: str) -> None:
    assert list(objections(command)) == [said]
