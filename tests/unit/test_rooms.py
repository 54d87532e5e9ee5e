"""The rooms of the house: what may import what. An arrow goes down, never up, and never round in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import testbed

ROOT = Path(testbed.__file__).parents[1]
FLOORS = ("pcap", "flows", "tables", "summary", "figures", "claims", "compare", "report")
"""The rooms of the analysis, from the ground up."""

# What each package may import besides itself; of `testbed`, the analysis has only these two rooms.
BELOW = {
    "topologies": ("testbed.base",),
    "analysis": ("testbed.base", "testbed.record"),
    "experiments": ("testbed", "topologies", "analysis"),
}

_WITHOUT_CIRCLES = ("analysis", "topologies", "testbed/base", "testbed/record")


def modules(package: str) -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    return {name for name in found if name.split(".")[0] in ("analysis", "experiments", "testbed", "topologies")}


def test_no_room_of_the_analysis_imports_from_a_room_above_it() -> None:
    rooms = {path.parent.name for path in (ROOT / "analysis").glob("*/__init__.py")}
    assert rooms == set(FLOORS)
    up = [
        f"{name} -> {other}"
        for name, path in modules("analysis")
        for other in imports(path)
        if name.count(".")
        and other.count(".")
        and other.startswith("analysis.")
        and FLOORS.index(other.split(".")[1]) > FLOORS.index(name.split(".")[1])
    ]
    assert up == []


def test_no_package_imports_from_one_that_it_must_not_know() -> None:
    strangers = [
        f"{name} -> {other}"
        for package, below in BELOW.items()
        for name, path in modules(package)
        for other in imports(path)
        if other.count(".") and not other.startswith((f"{package}.", *(f"{each}." for each in below), *below))
    ]
    assert strangers == []


def test_the_ground_floor_and_the_records_stand_on_their_own() -> None:
    for room, below in (("testbed.base", "testbed.base"), ("testbed.record", ("testbed.base", "testbed.record"))):
        for name, path in modules(room.replace(".", "/")):
            assert all(each.startswith(below) for each in imports(path) if each.count(".")), name


def test_no_file_imports_itself_by_way_of_others() -> None:
    found = {name: path for room in _WITHOUT_CIRCLES for name, path in modules(room)}
    # A package's own __init__ gathers what is in it.
    graph = {
        name: set() if path.name == "__init__.py" else imports(path) & found.keys() - {name}
        for name, path in found.items()
    }
    done: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way, name))
        if name not in done:
            for other in graph[name]:
                walk(other, (*way, name))
            done.add(name)

    for name in graph:
        walk(name, ())
