"""The line of every key, and of every syntax error, of a TOML file."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import toml_source
from experiments.toml_source import KeyPath
from testbed.base.errors import ConfigError

EVERY_SYNTAX = '''# a comment with [brackets] and "quotes"
bare = 1
"quoted key" = 'literal # not a comment'
dotted . inner."x.y" = true   # comment

[table]  # comment
text = """
[not.a.table]
a "quote" inside \\""" and at the end"""""
raw = \'\'\'
x = 1\'\'\'\'
after = 1979-05-27 07:32:00
[table.sub]
list = [
  "one",   # ] in a comment
  { a = 1, b = [1, 2] },

  [3,
   4],
]
inline = { x = { y = "}" }, "z z" = [] }
[[point]]
x = 1
[[point]]
x = 2
[point.deep]
y = 3
[[point.more]]
z = 4
last = 5'''


def paths_of(value: object, path: KeyPath = ()) -> set[KeyPath]:
    if isinstance(value, dict):
        children: list[tuple[str | int, object]] = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    else:
        children = []
    return {(*path, key) for key, _ in children}.union(*(paths_of(child, (*path, key)) for key, child in children))


def test_every_key_path_of_every_syntax_has_its_line() -> None:
    lines = toml_source.parse(EVERY_SYNTAX, Path("x.toml")).lines
    assert set(lines) == paths_of(tomllib.loads(EVERY_SYNTAX))
    assert {".".join(str(part) for part in path): line for path, line in lines.items() if path[0] != "point"} == {
        "bare": 2,
        "quoted key": 3,
        "dotted": 4,
        "dotted.inner": 4,
        "dotted.inner.x.y": 4,
        "table": 6,
        "table.text": 7,
        "table.raw": 10,
        "table.after": 12,
        "table.sub": 13,
        "table.sub.list": 14,
        "table.sub.list.0": 15,
        "table.sub.list.1": 16,
        "table.sub.list.1.a": 16,
        "table.sub.list.1.b": 16,
        "table.sub.list.1.b.0": 16,
        "table.sub.list.1.b.1": 16,
        "table.sub.list.2": 18,
        "table.sub.list.2.0": 18,
        "table.sub.list.2.1": 19,
        "table.sub.inline": 21,
        "table.sub.inline.x": 21,
        "table.sub.inline.x.y": 21,
        "table.sub.inline.z z": 21,
    }
    assert {path: line for path, line in lines.items() if path[0] == "point"} == {
        ("point",): 22,
        ("point", 0): 22,
        ("point", 0, "x"): 23,
        ("point", 1): 24,
        ("point", 1, "x"): 25,
        ("point", 1, "deep"): 26,
        ("point", 1, "deep", "y"): 27,
        ("point", 1, "more"): 28,
        ("point", 1, "more", 0): 28,
        ("point", 1, "more", 0, "z"): 29,
        ("point", 1, "more", 0, "last"): 30,
    }


def test_windows_line_ends_count_as_one_line() -> None:
    assert toml_source.parse("a = 1\r\nb = 2\r\n", Path("x")).lines == {("a",): 1, ("b",): 2}


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=8)
scalars = st.integers() | st.booleans() | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)


def as_toml(value: object) -> str:
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)} = {as_toml(v)}" for key, v in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[\n" + ",\n".join(as_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


@given(st.dictionaries(texts, values, max_size=4))
def test_the_line_index_has_the_paths_that_tomllib_has(data: dict[str, object]) -> None:
    text = "\n".join(f"{json.dumps(key, ensure_ascii=False)} = {as_toml(value)}" for key, value in data.items())
    source = toml_source.parse(text, Path("x"))
    assert source.data == data
    assert set(source.lines) == paths_of(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "version = 1\nrate = 100 Mbit/s\n",
            "x.toml:2: not valid TOML: expected newline or end of document after a statement "
            '(a quantity is a text in quotes, such as "100 Mbit/s")',
        ),
        (
            "a = 1\nb = fast\n",
            'x.toml:2: not valid TOML: invalid value (a quantity is a text in quotes, such as "100 Mbit/s")',
        ),
        (
            "a = 1\n\nb = \n\n",
            'x.toml:3: not valid TOML: invalid value (a quantity is a text in quotes, such as "100 Mbit/s")',
        ),
        ("[topology\n", "x.toml:1: not valid TOML: expected ']' at the end of a table declaration"),
        ("a = 1\nb = [1, 2\n", "x.toml:2: not valid TOML: unclosed array"),
        ("a = 1\na = 2", "x.toml:2: not valid TOML: cannot overwrite a value"),
        ("\n[w]\nno equals\n", "x.toml:3: not valid TOML: expected '=' after a key in a key/value pair"),
        ('a = "open\n', "x.toml:1: not valid TOML: illegal character '\\n'"),
    ],
)
def test_a_syntax_error_names_its_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        toml_source.parse(text, Path("x.toml"))
    assert str(caught.value) == message


def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as missing:
        toml_source.read(tmp_path / "none.toml")
    assert str(missing.value) == f"{tmp_path}/none.toml: cannot be read: No such file or directory"
    with pytest.raises(ConfigError) as directory:
        toml_source.read(tmp_path)
    assert str(directory.value) == f"{tmp_path}: cannot be read: Is a directory"
    (tmp_path / "latin1.toml").write_bytes(b"a = 1\nb = '\xe9'\n")
    with pytest.raises(ConfigError) as latin1:
        toml_source.read(tmp_path / "latin1.toml")
    assert str(latin1.value) == f"{tmp_path}/latin1.toml:2: not a text file in UTF-8"
