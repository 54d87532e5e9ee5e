"""What a line of Python in the scripts of .ci takes from the toolkit is there: no type check sees it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES = [
    (path.name, line)
    for path in sorted((ROOT / ".ci").iterdir())
    for line in re.findall(r"python\"? -c '([^']*)'", path.read_text(encoding="utf-8"))
]


def test_the_lines_are_found() -> None:
    assert {name for name, _ in LINES} == {"debian13", "lock"}


@pytest.mark.parametrize(("name", "line"), LINES)
def test_what_a_line_of_python_takes_from_a_module_is_there(name: str, line: str) -> None:
    tree = ast.parse(line, name)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    taken: dict[str, object] = {}
    exec(compile(ast.Module([*imports], []), name, "exec"), taken)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in taken:
            assert hasattr(taken[node.value.id], node.attr), f"{name}: {ast.unparse(node)}"
