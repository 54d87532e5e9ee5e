"""A user's own part: what is taken for one, and the one line that says why it is not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from experiments import api, plan
from experiments.composition import REGISTRIES, parts_of
from testbed.base import own_code
from testbed.base.errors import ConfigError, UsageError

DIRECTOR = """\
from testbed.directors.ipvs_nat import IpvsNat
from pydantic import Field


class Mine(IpvsNat):
    weight: int = Field(default=1, ge=1, le=9, description="Nothing.")
"""

EXPERIMENT = """\
version = 2
name = "mine"
title = "Mine"
protocols = ["tcp"]
director = "mine.py"

[topology]
part = "load-balancer"
client_director = { rate = "100 Mbit/s" }
direct = { rate = "1 Gbit/s" }
director_server = { rate = "1 Gbit/s" }

[workload]
part = "page-loads"
sizes = ["10 KB"]
concurrency = 2
requests = 10
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(DIRECTOR)
    (tmp_path / "mine.toml").write_text(EXPERIMENT)
    return tmp_path


def only(*overrides: str) -> plan.Point:
    (point,) = api.plan(["mine.toml"], overrides=overrides)
    return point


def refusal(*overrides: str) -> str:
    with pytest.raises((ConfigError, UsageError)) as caught:
        only(*overrides)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_part_is_in_the_point_by_name_settings_and_hash(folder: Path) -> None:
    (folder / "mine.toml").write_text(EXPERIMENT.replace('"mine.py"', '{ part = "mine.py", weight = 3 }'))
    record = only().parts["director"]
    settings = {"scheduler": "rr", "weight": 3}  # of the director that it is built on, and its own
    assert (record.name, record.settings, record.parameters) == ("mine.py", settings, settings)
    assert record.sha256 == own_code.read(folder / "mine.py").sha256
    assert type(parts_of(only()).director).__name__ == "Mine"
    (folder / "mine.py").write_text(DIRECTOR + "\n# changed\n")
    assert only().parts["director"].sha256 != record.sha256


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ('x: set[str] = Field(default={"a"}, description="X.")', "set"),
        ('x: frozenset[int] = Field(default=frozenset(), description="X.")', "frozenset"),
        ('x: date = Field(default=date(2020, 1, 1), alias="y", description="X.")', "date"),
        ('x: Path = Field(default=Path("/x"), description="X.")', "PosixPath"),
        ('x: tuple[int, ...] = Field(default=(1, 2), description="X.")', "tuple"),
        ('x: bytes = Field(default=bytes([255]), description="X.")', "bytes"),
        ('x: dict[int, str] = Field(default={1: "a"}, description="X.")', "dict"),
        ('x: object = Field(default=object, description="X.")', "type"),
    ],
)
def test_a_field_that_json_changes_is_named_before_anything_runs(folder: Path, field: str, kind: str) -> None:
    head = "from datetime import date\nfrom pathlib import Path\n"
    (folder / "mine.py").write_text(head + DIRECTOR.replace("    weight", f"    {field}\n    weight"))
    said = refusal()
    what = f"mine.py: Mine.x: a {kind} does not come back as it was from JSON, as which it reaches a lab"
    assert said == f"{what} (take text, numbers, lists and tables)"


def test_a_package_that_imports_itself_by_its_name_is_told_how(folder: Path) -> None:
    place = folder / "pack"
    place.mkdir()
    (place / "b.py").write_text("X = 1\n")
    (place / "__init__.py").write_text(f"import pack.b\n{DIRECTOR}")
    (folder / "mine.toml").write_text(EXPERIMENT.replace('"mine.py"', '"./pack"'))
    with pytest.raises((ConfigError, UsageError)) as caught:
        only()
    assert "pack/__init__.py:1: imports 'pack.b': the package does not have its name where it runs" in str(caught.value)
    assert caught.value.hint == "name its modules by their place: from . import b"
    (place / "__init__.py").write_text(f"from . import b\n{DIRECTOR}")
    assert only().parts["director"].name == "pack"


def test_its_table_is_checked_like_ours(folder: Path) -> None:
    (folder / "mine.toml").write_text(EXPERIMENT.replace('"mine.py"', '{ part = "mine.py", wieght = 3 }'))
    assert refusal() == "mine.toml:5: unknown key 'wieght' in [director] (did you mean 'weight'?)"
    (folder / "mine.toml").write_text(EXPERIMENT.replace('"mine.py"', '{ part = "mine.py", weight = 10 }'))
    assert refusal() == "mine.toml:5: director.weight must be at most 9, not 10"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("class Mine", "clas Mine", "mine.toml:5: mine.py:5: invalid syntax"),
        ("weight: int", "weight: itn", "mine.toml:5: mine.py:6: NameError: name 'itn' is not defined"),
        (
            "from pydantic",
            "import helper\nfrom pydantic",
            "mine.py:2: imports 'helper', which is not part of it",
        ),
        ("from pydantic", "from . import x\nfrom pydantic", "mine.toml:5: mine.py:2: imports from outside of it"),
        ("from pydantic", "import paramikoo\nfrom pydantic", "mine.py:2: imports 'paramikoo'"),
        ("(IpvsNat)", "", "mine.toml:5: mine.py: a director is one class on top of testbed.directors.base.Director"),
        ("class Mine", "class Other(IpvsNat):\n    pass\n\n\nclass Mine", "there: Other, Mine"),
        ("from pydantic", "raise SystemExit(3)\nfrom pydantic", "mine.py:2: SystemExit: 3"),
        (DIRECTOR, "\0", "mine.toml:5: mine.py"),
        (DIRECTOR, "x" * (own_code.MOST_BYTES + 1), "mine.toml:5: mine.py"),
    ],
)
def test_what_is_wrong_with_a_part_is_one_line_with_its_file(folder: Path, old: str, new: str, said: str) -> None:
    assert old in DIRECTOR
    (folder / "helper.py").write_text("x = 1\n")
    (folder / "mine.py").write_text(DIRECTOR.replace(old, new))
    assert said in refusal()


def test_methods_that_a_kind_asks_for_are_named(folder: Path) -> None:
    text = "from testbed.directors.base import Director\n\n\nclass Mine(Director):\n    def serve(self, n, l, s):\n"
    (folder / "mine.py").write_text(text + "        return {}\n")
    assert "mine.py: Mine lacks set_pool, socket_address (see testbed.directors.base)" in refusal()


def test_an_error_while_points_are_planned_is_one_line_with_its_place(folder: Path) -> None:
    (folder / "mine.py").write_text(DIRECTOR + "\n    def check(self, topology):\n        yield topology.wrong\n")
    assert "mine.py:9: AttributeError: " in refusal()


def test_a_part_is_a_package_with_files_of_its_own(folder: Path) -> None:
    package = folder / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("from .inner import Mine\n")
    (package / "inner.py").write_text(DIRECTOR)
    assert only("director=./pack").parts["director"].name == "pack"
    (package / "inner.py").write_text(DIRECTOR.replace("from pydantic", "from ..mine import x\nfrom pydantic"))
    assert "pack/inner.py:2: imports from outside of it" in refusal("director=./pack")
    (package / "__init__.py").unlink()
    assert "no __init__.py" in refusal("director=./pack")


def test_paths_are_relative_to_the_file_or_to_where_an_option_is_given(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (point,) = api.plan(["../mine.toml"])
    assert point.parts["director"].name == "mine.py"
    with pytest.raises(UsageError, match=r"--set director=mine.py: mine.py: No such file"):
        api.plan(["../mine.toml"], overrides=["director=mine.py"])


def test_nothing_in_a_runs_directory_is_a_part(folder: Path) -> None:
    (folder / "run.json").write_text("{}")
    assert "lies in the run directory" in refusal()
    with pytest.raises(UsageError, match="lies in the run directory"):
        api.load_parts([folder / "mine.py"])


def test_a_part_leaves_no_bytecode_beside_it(folder: Path) -> None:
    only()
    assert sorted(path.name for path in folder.iterdir()) == ["mine.py", "mine.toml"]


def test_a_point_whose_code_nobody_has_named_says_what_to_do(folder: Path) -> None:
    (folder / "sticky.py").write_text(DIRECTOR + "# of a point that is read\n")
    point = only("director=sticky.py")
    del sys.modules[f"_own_{point.parts['director'].sha256[:16]}"]
    with pytest.raises(UsageError, match=r"its director is code of a user's own, sticky.py .*--part sticky.py"):
        parts_of(point)
    api.load_parts([folder / "sticky.py"])
    assert parts_of(point).codes["director"].name == "sticky.py"


def test_a_package_announces_parts_as_entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    (site / "balancers").mkdir(parents=True)
    (site / "balancers" / "__init__.py").write_text("")
    (site / "balancers" / "mine.py").write_text(DIRECTOR)
    info = site / "balancers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: balancers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[testbed.directors]\nweighted = balancers.mine\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.chdir(tmp_path)
    directors = REGISTRIES["director"]
    assert directors.names() == [*directors.ours(), "weighted"]
    (tmp_path / "mine.toml").write_text(EXPERIMENT.replace("mine.py", "weighted"))
    record = only().parts["director"]
    assert (record.name, record.module) == ("weighted", "balancers.mine")
    code = own_code.recall(record.sha256)
    assert code is not None and sorted(code.contents) == ["balancers/__init__.py", "balancers/mine.py"]


def test_a_plot_is_a_figure_of_ours_or_a_file(folder: Path) -> None:
    def named(plot: str) -> None:
        (folder / "mine.toml").write_text(EXPERIMENT.replace('director = "mine', f'plot = "{plot}"\ndirector = "mine'))

    assert only().plot == "page-size"
    named("timeline")
    assert only().plot == "timeline"
    named("timelin")
    assert refusal() == "mine.toml:5: plot: no figure 'timelin' (did you mean 'timeline'?)"
    named("no.py")
    assert refusal() == "mine.toml:5: no.py: No such file or directory"
    words = 'name="by-server", title="By server", scope="experiment", description="None."'
    figure = f"FIGURE = Figure({words}, draw=lambda canvas, data: False)"
    (folder / "own.py").write_text(f"from analysis.figures.declaration import Figure\n\n{figure}\n")
    named("own.py")
    assert only().plot == "by-server"  # the figure's own name, by which it is drawn as the experiment's


def test_the_table_of_a_part_makes_way_for_that_of_another(folder: Path) -> None:
    weighted = EXPERIMENT.replace('"mine.py"', '{ part = "mine.py", weight = 3 }')
    (folder / "mine.toml").write_text(
        weighted + '\n[[variant]]\nname = "a"\n\n[[variant]]\nname = "b"\ndirector.part = "ecmp"\n'
    )
    first, second = api.plan(["mine.toml"])
    assert (first.names["director"], first.parameters["weight"]) == ("mine.py", 3)
    assert second.names["director"] == "ecmp"
    assert "weight" not in second.parameters


@pytest.mark.parametrize("version", ["2.0", "true", "1.0"])
def test_a_version_is_a_whole_number(folder: Path, version: str) -> None:
    (folder / "mine.toml").write_text(EXPERIMENT.replace("version = 2", f"version = {version}"))
    assert refusal() == f"mine.toml:1: version must be 2, not {version}"


@pytest.mark.parametrize(("name", "said"), [("a" * 5000, "File name too long"), ("a\\u0000", "embedded null byte")])
def test_a_name_that_no_file_can_have_is_one_line(folder: Path, name: str, said: str) -> None:
    (folder / "mine.toml").write_text(EXPERIMENT.replace("mine.py", f"{name}.py"))
    assert said in refusal()
