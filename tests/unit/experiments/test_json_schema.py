"""The JSON Schema of experiments' files: it takes what the toolkit takes, and refuses what is wrong by its shape."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import catalog, json_schema, plan
from testbed.base.errors import ConfigError, UsageError
from testbed.base.units import QUANTITIES, Quantity

FILE = """\
version = 2
name = "mine"
title = "My page loads"
director = "ipvs-nat"
protocols = ["tcp", "mptcp"]
[topology]
part = "load-balancer"
servers = 2
client_director = { rate = "100 Mbit/s", delay = "20 ms", loss = "1 %" }
direct = { rate = "1 Gbit/s" }
director_server = { rate = "1 Gbit/s" }
[workload]
part = "page-loads"
sizes = ["10 KB", "1000 KB"]
concurrency = 10
total = "4 GB"
[timetable]
part = "events"
events = [{ at = "1 s", remove = 1 }]
[mptcp]
add_addr_timeout = "1 s"
[sysctl]
"net.ipv4.tcp_tso_rtt_log" = 30
[sysctl.client]
"net.ipv4.tcp_rmem" = "4096 131072 6291456"
[[variant]]
name = "one"
[[condition]]
name = "loss"
topology.client_director.loss = "2 %"
without = []
[profile.quick]
workload.total = "100 MB"
[profile.tiny]
protocols = ["tcp"]
"""

OWN = '''\
from pydantic import Field
from testbed.base.quantities import Duration
from testbed.directors.base import Director


class Slow(Director):
    """A director that thinks first."""

    after_s: Duration = Field(alias="after", default=0.02, description="How long it thinks.")

    def socket_address(self, layout, server): ...
    def serve(self, network, layout, seed): ...
    def set_pool(self, network, layout, servers): ...
'''


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json_schema.schema(catalog.everything())


@pytest.fixture(scope="module")
def problem(schema: dict[str, Any]) -> Callable[[str], str]:
    """What the schema says against a file: where, or an empty text."""
    validator = jsonschema.Draft202012Validator(schema)

    def first(text: str) -> str:
        error = jsonschema.exceptions.best_match(validator.iter_errors(tomllib.loads(text)))
        return f"{error.json_path}: {error.message}" if error else ""

    return first


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[[str], str]:
    """What the toolkit says against a file, or an empty text."""

    def first(text: str) -> str:
        (tmp_path / "x.toml").write_text(text)
        try:
            plan.load(tmp_path / "x.toml")
        except ConfigError as error:
            return str(error)
        return ""

    return first


def test_it_is_a_schema_of_its_draft_and_of_draft_7_which_editors_read(schema: dict[str, Any]) -> None:
    assert schema["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("name", plan.available())
def test_the_files_that_come_with_the_toolkit_are_right(name: str, schema: dict[str, Any]) -> None:
    data = tomllib.loads(plan.find(name).read_text())
    for draft in (jsonschema.Draft202012Validator, jsonschema.Draft7Validator):
        assert [error.message for error in draft(schema).iter_errors(data)] == []


@pytest.mark.parametrize(
    ("right", "wrong", "place"),
    [
        ('title = "My', 'total = "4 GB"\ntitle = "My', "$"),
        ('title = "My page loads"\n', "", "$"),
        ("version = 2", "version = 3", "$.version"),
        ('name = "mine"', 'name = "my/own"', "$.name"),
        ('name = "one"', 'name = "one"\nsweep.axes.workload.concurrency = [1, 2]', "$.variant[0]"),
        ('name = "loss"', 'name = "loss"\nsweep.axes.workload.concurrency = [1, 2]', "$.condition[0]"),
        ("[mptcp]", '[protection]\nunique_address = "joins"\n[mptcp]', "$.protection.unique_address"),
        ("[mptcp]", '[protection]\nunique_address = "none"\nrefusal = "drop"\n[mptcp]', "$.protection"),
        ("[mptcp]", '[protection]\nunique_address = "none"\npart = "none"\n[mptcp]', "$.protection"),
        ("[mptcp]", "[protection]\n[mptcp]", "$.protection"),
        ('["tcp", "mptcp"]', '"tcp"', "$.protocols"),
        ('["tcp", "mptcp"]', '["tcp", "mptpc"]', "$.protocols[1]"),
        ('["tcp", "mptcp"]', '["tcp", "tcp"]', "$.protocols"),
        ('"ipvs-nat"', '"ipvs"', "$.director"),
        ('director = "ipvs-nat"', "", "$"),
        ("[topology]\n", 'topology = "load-balancer"\n[other]\n', "$"),
        ('"load-balancer"', '"load-balancr"', "$.topology.part"),
        ('part = "load-balancer"\n', "", "$.topology"),
        ('"load-balancer"', '"anycast"', "$.topology"),
        ("servers = 2", "servers = 65", "$.topology.servers"),
        ("servers = 2", 'servers = "2"', "$.topology.servers"),
        ('delay = "20 ms"', 'dealy = "20 ms"', "$.topology.client_director"),
        ('rate = "100 Mbit/s", ', "", "$.topology.client_director"),
        ('rate = "100 Mbit/s"', "rate = 100", "$.topology.client_director.rate"),
        ('rate = "100 Mbit/s"', 'rate = "100 MB"', "$.topology.client_director.rate"),
        ('rate = "100 Mbit/s"', 'rate = "0 Mbit/s"', "$.topology.client_director.rate"),
        ('loss = "1 %"', 'loss = "150 %"', "$.topology.client_director.loss"),
        ('delay = "20 ms"', 'delay = "-20 ms"', "$.topology.client_director.delay"),
        ('delay = "20 ms"', "delay = {}", "$.topology.client_director.delay"),
        ('delay = "20 ms"', 'delay.to_client = "20 ms"', "$.topology.client_director.delay"),
        ('delay = "20 ms"', "delay.towards_client = 20", "$.topology.client_director.delay.towards_client"),
        ("concurrency = 10", "concurency = 10", "$.workload"),
        ('total = "4 GB"', "", "$.workload"),
        ('"10 KB", ', '"10 Mbit/s", ', "$.workload.sizes[0]"),
        ("remove = 1", "remove = 1, add = 1", "$.timetable.events[0]"),
        (", remove = 1", "", "$.timetable.events[0]"),
        ("add_addr_timeout =", "add_adr_timeout =", "$.mptcp"),
        ('add_addr_timeout = "1 s"', 'lb_mode = "closed"', "$.mptcp.lb_mode"),
        ('"net.ipv4.tcp_tso_rtt_log"', '"kernel.panic"', "$.sysctl"),
        ("rtt_log\" = 30", "rtt_log\" = true", "$.sysctl['net.ipv4.tcp_tso_rtt_log']"),
        ("[sysctl.client]", "[sysctl.clients]", "$.sysctl"),
        ('name = "one"', "", "$.variant[0]"),
        ('name = "one"', 'name = "one"\nwithout = []', "$.variant[0]"),
        ('name = "loss"', 'name = "loss"\ntitle = "Another"', "$.condition[0]"),
        ('loss = "2 %"', "loss = 2", "$.condition[0].topology.client_director.loss"),
        ("client_director.loss", "client_rate", "$.condition[0].topology"),
        ("workload.total", "workload.totl", "$.profile.quick.workload"),
        ("workload.total", "workload.sizes", "$.profile.quick.workload.sizes"),
        ('workload.total = "100 MB"', 'timetable.cycle = "3 s"', "$.profile.quick.timetable"),
        ('workload.total = "100 MB"', 'director = "ecpm"', "$.profile.quick.director"),
    ],
)  # fmt: skip
def test_what_is_wrong_by_its_shape_is_refused_where_it_is(
    right: str, wrong: str, place: str, problem: Callable[[str], str], refusal: Callable[[str], str]
) -> None:
    assert FILE.count(right) == 1
    text = FILE.replace(right, wrong)
    assert problem(text).partition(": ")[0] == place
    assert refusal(text)


@pytest.mark.parametrize(
    ("right", "other"),
    [
        ('director = "ipvs-nat"', 'director.part = "ipvs-nat"'),
        ("servers = 2\n", "servers = 2\nswitched = true\n"),
        ('delay = "20 ms", loss = "1 %"', 'delay = ".5ms"'),
        ('delay = "20 ms", loss = "1 %"', 'delay = { towards_client = "5 ms" }, loss.towards_server = "1 %"'),
        ('client_director.loss = "2 %"', 'client_director.loss.towards_server = "2 %"'),
        ('total = "4 GB"', 'total = "1.5 GiB"\nmax_requests = 100'),
        ('part = "events"\nevents = [{ at = "1 s", remove = 1 }]', 'part = "none"'),
        ('workload.total = "100 MB"', 'director = "ecmp"'),
        ('workload.total = "100 MB"', 'director.part = "ecmp"'),
        ('workload.total = "100 MB"', 'timetable = "none"'),
        ('workload.total = "100 MB"', 'protection = { unique_address = "joins-only", refusal = "reset" }'),
        ("[mptcp]", '[protection]\nunique_address = "joins-only"\nrefusal = "drop"\n[mptcp]'),
        ('workload.total = "100 MB"', 'timetable.events = [{ at = "2 s", remove = 2 }, { at = "3 s", add = 2 }]'),
        # A variant may be about a director of its own, and a condition say something of that one.
        (
            'name = "one"\n[[condition]]\n',
            'name = "one"\ndirector = "slow.py"\n[[condition]]\ndirector.after = "2 s"\n',
        ),
    ],
)
def test_what_the_toolkit_takes_passes(
    right: str, other: str, tmp_path: Path, problem: Callable[[str], str], refusal: Callable[[str], str]
) -> None:
    (tmp_path / "slow.py").write_text(OWN)
    assert FILE.count(right) == 1
    text = FILE.replace(right, other)
    assert (problem(text), refusal(text)) == ("", "")


def test_a_table_without_a_part_is_that_of_the_timetable_in_which_nothing_happens(
    problem: Callable[[str], str],
) -> None:
    text = FILE.replace('[timetable]\npart = "events"\nevents = [{ at = "1 s", remove = 1 }]\n', "")
    assert problem(text) == ""
    assert problem(text + 'timetable.cycle = "3 s"\n').startswith("$.profile.tiny.timetable: ")


def test_a_users_own_part_may_have_any_keys_and_has_its_own_if_it_is_named(
    tmp_path: Path, problem: Callable[[str], str]
) -> None:
    text = FILE.replace('director = "ipvs-nat"', 'director = { part = "own/slow.py", after = 7 }')
    text += 'director.after = "2 s"\n'
    assert problem(text) == ""
    (tmp_path / "slow.py").write_text(OWN)
    named = json_schema.schema(catalog.everything([tmp_path / "slow.py"]))
    errors = jsonschema.Draft202012Validator(named).iter_errors(tomllib.loads(text))
    assert [error.json_path for error in errors] == ["$.director.after"]
    errors = jsonschema.Draft202012Validator(named).iter_errors(tomllib.loads(text.replace("= 7", '= "7 s"')))
    assert list(errors) == []
    (table,) = [value for key, value in named["$defs"].items() if key.endswith("slow.py")]
    assert table["properties"]["after"]["default"] == "20 ms"
    assert table["properties"]["after"]["description"] == "How long it thinks."


def test_what_is_no_part_is_refused_in_a_line_with_the_files_name(tmp_path: Path) -> None:
    path = tmp_path / "slow.py"
    path.write_text("x = 1\n")
    with pytest.raises(UsageError, match=r"slow\.py: no part in it \(a part is a class on top of one of: "):
        catalog.everything([path])
    path.write_text(OWN.replace("def serve", "def sreve"))
    with pytest.raises(UsageError, match=r"slow\.py: Slow lacks serve"):
        catalog.everything([path])


def no_lists(node: Any) -> Any:
    """The same without what is in lists: these are replaced whole, so what is in them has its defaults still."""
    if isinstance(node, dict):
        return {key: no_lists(value) for key, value in node.items() if not (key == "items" and "properties" in value)}
    return [no_lists(each) for each in node] if isinstance(node, list) else node


def test_defaults_are_as_a_file_has_them_and_overrides_have_none(schema: dict[str, Any]) -> None:
    mptcp = schema["properties"]["mptcp"]["properties"]
    assert (mptcp["add_addr_timeout"]["default"], mptcp["repeat_announce"]["default"]) == ("1 s", "0 ms")
    link = schema["$defs"]["topology.load-balancer"]["properties"]["direct"]["properties"]
    assert (link["delay"]["default"], link["loss"]["default"]) == ("0 ms", "0 %")
    overriding = {key: no_lists(value) for key, value in schema["$defs"].items() if key.endswith("changes")}
    assert '"default":' not in json.dumps(overriding)
    assert "null" not in json.dumps(schema)


def test_every_key_has_a_description(schema: dict[str, Any]) -> None:
    def walk(table: dict[str, Any], path: str) -> None:
        for key, value in table.get("properties", {}).items():
            assert value.get("description"), f"{path}.{key}"
            walk(value, f"{path}.{key}")

    walk(schema, "")
    for name, definition in schema["$defs"].items():
        if not name.endswith("is-replaced") and "if" not in definition:
            walk(definition, name)


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: quantity.name)
@given(
    number=st.from_regex(r"[+-]?([0-9]{1,4}(\.[0-9]{0,3})?|\.[0-9]{1,3})", fullmatch=True),
    unit=st.sampled_from(["", "%", "B", "KB", "MiB", "bit/s", "Mbit/s", "MB/s", "us", "ms", "s", "min", "h"]),
    blank=st.sampled_from(["", " ", "  "]),
)
def test_the_pattern_of_a_quantity_takes_what_is_read_as_one(
    quantity: Quantity, number: str, unit: str, blank: str
) -> None:
    text = f"{blank}{number}{blank}{unit}"
    matches = jsonschema.Draft202012Validator(quantity.json_schema()).is_valid(text)
    try:
        value = quantity.parse(text)
    except ValueError as error:
        # How many bits, bytes or digits come of it is nothing that a pattern says.
        assert not matches or "is not a whole number" in str(error)
    else:
        assert matches or number.startswith("-")
        assert quantity.parse(quantity.write(value)) == value
