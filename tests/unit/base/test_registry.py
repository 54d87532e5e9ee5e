"""A kind of part finds the modules of its folder: a new part is a new file, and nothing else names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.base.own_errors import BadCode
from testbed.base.parts import Part, summary
from testbed.base.registry import Registry

MODULE = '''\
from pydantic import Field

from testbed.base.parts import Part


class {name}(Part):
    """{text}"""

    weight: int = Field(default=1, description="How heavy it is.")
'''


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Registry[Part]:
    package = f"parts_of_{abs(hash(request.node.name))}"
    folder = tmp_path / package
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "base.py").write_text("")
    (folder / "_helpers.py").write_text("")
    (folder / "round_robin.py").write_text(MODULE.format(name="RoundRobin", text="One after the other."))
    monkeypatch.syspath_prepend(tmp_path)
    return Registry("part", Part, package, "things")


def test_a_module_is_a_part_by_its_name(registry: Registry[Part], tmp_path: Path) -> None:
    assert registry.names() == ["round-robin"]
    folder = tmp_path / registry.package
    (folder / "least_busy.py").write_text(MODULE.format(name="LeastBusy", text="Whoever has least to do."))
    assert registry.names() == ["least-busy", "round-robin"]
    assert [summary(found.part) for found in registry.all_ours()] == [
        "Whoever has least to do.",
        "One after the other.",
    ]


def test_what_is_no_part_is_said_in_a_line(registry: Registry[Part], tmp_path: Path) -> None:
    with pytest.raises(LookupError):
        registry.find("nobody")
    folder = tmp_path / registry.package
    (folder / "two.py").write_text(MODULE.format(name="A", text="A.") + "\n\nclass B(Part):\n    pass\n")
    with pytest.raises(BadCode, match=r"two: a part is one class on top of testbed.base.parts.Part; there: A, B"):
        registry.find("two")


def test_classes_that_a_part_is_built_on_are_no_parts_themselves(registry: Registry[Part], tmp_path: Path) -> None:
    text = MODULE.format(name="Common", text="Common.") + "\n\nclass Special(Common):\n    pass\n"
    (tmp_path / registry.package / "special.py").write_text(text)
    assert registry.find("special").part.__name__ == "Special"
