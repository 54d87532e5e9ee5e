"""`docs/experiments.md`: its reference is that of the code, and its example is an experiment."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import jsonschema

from experiments import catalog, json_schema, plan
from experiments.documentation import BEGIN, END, markdown
from testbed.base.parts import KINDS

PAGE = Path(__file__).parents[3] / "docs" / "experiments.md"


def test_the_reference_is_what_the_tables_say_of_themselves() -> None:
    assert PAGE.read_text().partition(BEGIN + "\n")[2].partition(END)[0] == markdown()


def test_every_part_and_every_kind_has_a_section() -> None:
    text = markdown()
    assert [kind for kind in KINDS if f"### `[{kind}]`\n" not in text] == []
    assert [each.name for each in catalog.ours().entries if f'#### `part = "{each.name}"`\n' not in text] == []


def test_the_example_is_an_experiment_of_as_many_points_as_the_page_says(tmp_path: Path) -> None:
    example = re.findall(r"```toml\n(version.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(example) == 1
    (tmp_path / "backup.toml").write_text(example[0])
    experiment = plan.load(tmp_path / "backup.toml")
    points = plan.plan(experiment)
    assert "These are four points with each seed" in PAGE.read_text() and len(points) == 4
    assert {point.parameters["requests"] for point in points} == {100}
    assert {point.parameters["requests"] for point in plan.plan(experiment, "paper")} == {1000}
    schema = json_schema.schema(catalog.ours())
    jsonschema.Draft202012Validator(schema).validate(tomllib.loads(example[0]))


def test_the_options_of_the_page_are_options(tmp_path: Path) -> None:
    (option,) = re.findall(r"`((?:--set \S+ ?){2})`", PAGE.read_text())
    points = plan.plan(plan.load(plan.find("7")), overrides=option.replace("--set", "").split())
    assert {point.object_bytes for point in points} == {10_000, 1_000_000}
    assert {point.parameters["concurrency"] for point in points} == {20}
