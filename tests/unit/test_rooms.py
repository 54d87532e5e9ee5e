"""The rooms of the house: what may import what, and start what. An arrow goes down, never up, and never in a circle.

And how large a module may be: one that grows beyond that has become two.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import testbed

ROOT = Path(testbed.__file__).parents[1]
PACKAGES = ("testbed", "topologies", "analysis", "experiments")

ROOMS_OF_THE_ANALYSIS = ("pcap", "flows", "tables", "summary", "figures", "claims", "compare", "report")
"""From the ground up."""

# What each room may import besides itself; the first of these rooms that a module's name begins with is its own.
MAY_IMPORT = {
    "testbed.base": (),
    "topologies": ("testbed.base",),
    "testbed.record": ("testbed.base",),
    "testbed.net": ("testbed.base", "testbed.process", "testbed.wire"),
    "testbed.directors": ("testbed", "topologies"),
    "testbed.protection": ("testbed", "topologies"),
    "testbed": (),
    "analysis": ("testbed.base", "testbed.record"),
    "experiments.cli": ("experiments", "analysis", "testbed", "topologies"),
    "experiments.api": ("experiments", "analysis", "testbed", "topologies"),
    "experiments.plots": ("experiments", "analysis", "testbed", "topologies"),  # loads a user's own figure
    "experiments": ("testbed", "topologies"),
}

# What stands on the other rooms of its folder, and who may know of it.
KNOWN_TO = {
    "experiments.cli": ("experiments.cli", "experiments.__main__"),
    "experiments.api": ("experiments.api", "experiments.cli"),
    "testbed.directors": ("testbed.directors", "experiments"),
    "testbed.protection": ("testbed.protection", "experiments"),
    "testbed.runs": ("testbed.runs", "testbed.doctor", "experiments"),
}

MOST_LINES = 300
"""Of a module, a test's too: it is read from top to bottom."""

# Packages of others that belong in one place, and what the two lowest floors may have at all.
ONLY_IN = {"click": ("experiments.cli",), "rich": ("experiments.cli",), "matplotlib": ("analysis",)}
ALONE = {"testbed.base": {"pydantic"}, "topologies": {"mininet", "pydantic"}}


@cache
def modules() -> dict[str, Path]:
    """Every module of ours by its name; a package's own is named like the package."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            found[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    return found


@cache
def parsed(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text())


@cache
def imported(name: str) -> frozenset[str]:
    """The modules, ours and others', that a module imports anywhere in it, for its types too."""
    found = set()
    for node in ast.walk(parsed(name)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{name}: a relative import"
            whole = {f"{node.module}.{each.name}" for each in node.names}
            inside = whole & modules().keys()
            found |= inside | ({node.module} if inside != whole else set())
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    return frozenset(found - {name})


def ours(names: frozenset[str]) -> set[str]:
    """Those of the modules that are ours; the package `testbed` itself, which has no more than a version, is not."""
    return {name for name in names if name.split(".")[0] in PACKAGES and name != "testbed"}


def programs(name: str) -> Iterator[str]:
    """The modules that a module starts as processes: what follows `-m` in a list of words."""
    for node in ast.walk(parsed(name)):
        words = node.elts if isinstance(node, ast.List | ast.Tuple) else node.args if isinstance(node, ast.Call) else []
        for option, program in pairwise(words):
            if isinstance(option, ast.Constant) and option.value == "-m":
                first = program.values[0] if isinstance(program, ast.JoinedStr) else program
                text = first.value if isinstance(first, ast.Constant) else ""
                if isinstance(text, str) and text.split(".")[0] in PACKAGES:
                    yield text


def is_in(name: str, rooms: tuple[str, ...]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def room_of(name: str) -> str:
    return next(room for room in MAY_IMPORT if is_in(name, (room,)))


def is_allowed(name: str, other: str) -> bool:
    room = room_of(name)
    may = MAY_IMPORT[room]
    if room == "testbed":  # the machinery's rooms are on one floor
        return is_in(other, ("testbed",))
    return is_in(other, (room, *may))


def test_no_module_imports_what_its_room_must_not_know() -> None:
    strangers = [
        f"{name} -> {other}"
        for name in modules()
        for other in ours(imported(name))
        if not is_allowed(name, other)
        or any(is_in(other, (room,)) and not is_in(name, known) for room, known in KNOWN_TO.items())
    ]
    assert strangers == []


def test_no_process_is_started_from_a_room_above() -> None:
    started = {(name, program) for name in modules() for program in programs(name)}
    assert ("experiments.api.planning", "experiments.start") in started
    assert ("testbed.path_manager.service", "testbed.path_manager") in started
    assert any(program.startswith("testbed.labs.ssh.remote") for _, program in started)
    assert [pair for pair in sorted(started) if not is_allowed(*pair)] == []
    for script in (*ROOT.glob("testbed/**/*.sh"), *ROOT.glob("testbed/**/*.c")):
        for program in re.findall(r"-m (\w[\w.]*\.\w+)", script.read_text()):
            assert is_in(program, ("testbed",)) and is_a_program(program), f"{script}: {program}"


def test_what_is_started_as_a_process_is_a_program() -> None:
    for name in modules():
        for program in programs(name):
            # The name of one of several may be put together: then all that could be meant are there.
            assert program.endswith(".") or is_a_program(program), f"{name}: {program}"


def is_a_program(name: str) -> bool:
    main = name if modules()[name].name != "__init__.py" else f"{name}.__main__"
    return main in modules() and 'if __name__ == "__main__":' in modules()[main].read_text()


def test_no_room_of_the_analysis_imports_from_a_room_above_it() -> None:
    floors = ROOMS_OF_THE_ANALYSIS
    assert {path.parent.name for path in (ROOT / "analysis").glob("*/__init__.py")} == set(floors)
    up = [
        f"{name} -> {other}"
        for name in modules()
        for other in imported(name)
        if name.startswith("analysis.")
        and other.startswith("analysis.")
        and floors.index(other.split(".")[1]) > floors.index(name.split(".")[1])
    ]
    assert up == []


def test_packages_of_others_keep_to_their_rooms() -> None:
    for name in modules():
        others = {other.split(".")[0] for other in imported(name)} - set(PACKAGES)
        for package in others & ONLY_IN.keys():
            assert is_in(name, ONLY_IN[package]), f"{name} -> {package}"
        if room_of(name) in ALONE:
            assert others - sys.stdlib_module_names <= ALONE[room_of(name)], name


def test_no_command_imports_another_commands_module() -> None:
    commands = {
        name
        for name in modules()
        if name.startswith("experiments.cli.")
        and re.search(r"^@\w+\.(command|group)\(", modules()[name].read_text(), re.M)
    }
    assert {"experiments.cli.run", "experiments.cli.verify"} <= commands
    assert {
        f"{name} -> {other}" for name in commands - {"experiments.cli.main"} for other in imported(name) & commands
    } == set()


def test_only_programs_and_the_command_line_print_or_exit() -> None:
    for name in modules():
        if is_in(name, ("experiments.cli",)) or 'if __name__ == "__main__":' in modules()[name].read_text():
            continue
        for node in ast.walk(parsed(name)):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            assert called not in ("print", "sys.exit", "exit", "input"), f"{name}: {called}"


def test_no_file_imports_itself_by_way_of_others() -> None:
    done: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way[way.index(name) :], name))
        if name not in done:
            for other in imported(name) & modules().keys():
                walk(other, (*way, name))
            done.add(name)

    for name in modules():
        walk(name, ())


def test_no_module_is_longer_than_can_be_read_at_once() -> None:
    folders = (*PACKAGES, "tests")
    found = {
        str(path.relative_to(ROOT)): path.read_text().count("\n")
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
    }
    assert "tests/unit/test_rooms.py" in found
    assert {name: lines for name, lines in found.items() if lines > MOST_LINES} == {}


def test_no_two_modules_of_tests_have_one_name() -> None:
    """pytest imports them by their names alone, and collects none of a run where two are the same."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []
