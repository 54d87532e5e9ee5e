"""A link's delay and loss: a text for both directions, or a table with one for each."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiment_texts import PAGE_LOADS, refusal

from experiments import plan
from experiments.composition import parts_of
from testbed.base.errors import UsageError
from testbed.base.traits import Traits
from testbed.record.point import Point

BOTH = 'delay = "20 ms", loss = "1 %"'


def planned(link: str = BOTH, *overrides: str, more: str = "") -> list[Point]:
    assert PAGE_LOADS.count(BOTH) == 1
    Path("x.toml").write_text(PAGE_LOADS.replace(BOTH, link) + more)
    return plan.plan(plan.load(Path("x.toml")), overrides=["protocols=mptcp", "workload.sizes=10 KB", *overrides])


def of_link(point: Point) -> dict[str, object]:
    prefix = "client_director_"
    return {name.removeprefix(prefix): value for name, value in point.parameters.items() if name.startswith(prefix)}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("link", "parameters"),
    [
        (
            'delay = { towards_client = "15 ms", towards_server = "5 ms" }, loss = { towards_server = "2 %" }',
            {
                "delay_towards_client_s": 0.015,
                "delay_towards_server_s": 0.005,
                "loss_towards_client": 0.0,
                "loss_towards_server": 0.02,
            },
        ),
        ('delay = { towards_client = "20 ms", towards_server = "20 ms" }', {"delay_s": 0.02, "loss": 0.0}),
        ('delay = { towards_client = "0 ms" }, loss = "1 %"', {"delay_s": 0.0, "loss": 0.01}),
        ('delay.towards_client = "1 ms", loss.towards_client = "1 %"', None),
    ],
)
def test_a_direction_that_is_not_named_has_none_and_what_is_the_same_in_both_is_one_number(
    link: str, parameters: dict[str, object] | None
) -> None:
    (point,) = planned(link)
    if parameters is not None:
        assert of_link(point) == {"rate_bps": 10**8} | parameters
    again = Point.from_json(point.to_json())
    assert again == point
    assert parts_of(again).topology == parts_of(point).topology


@pytest.mark.usefixtures("folder")
def test_however_both_directions_are_written_the_point_is_the_same_to_the_byte() -> None:
    (one,), (other,) = (
        planned(link)
        for link in (
            BOTH,
            'delay = { towards_server = "20 ms", towards_client = "20000 us" }, '
            'loss = { towards_client = "1 %", towards_server = "1.0 %" }',
        )
    )
    assert one.to_json() == other.to_json()
    assert '"delay_s": 0.02' in one.to_json()
    assert "towards" not in one.to_json()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("overrides", "delay"),
    [
        (["delay.towards_client=10 ms"], {"delay_towards_client_s": 0.01, "delay_towards_server_s": 0.02}),
        (['delay.towards_client="20 ms"'], {"delay_s": 0.02}),
        (['delay={ towards_server = "0 ms" }'], {"delay_towards_client_s": 0.02, "delay_towards_server_s": 0.0}),
        (["delay.towards_client=10 ms", "delay.towards_server=10 ms"], {"delay_s": 0.01}),
        (["delay.towards_client=10 ms", "delay=30 ms"], {"delay_s": 0.03}),
        (
            ["delay=30 ms", "delay.towards_server=1 ms"],
            {"delay_towards_client_s": 0.03, "delay_towards_server_s": 0.001},
        ),
    ],
)
def test_an_option_changes_the_direction_that_it_names(overrides: list[str], delay: dict[str, float]) -> None:
    (point,) = planned(BOTH, *(f"topology.client_director.{each}" for each in overrides))
    assert of_link(point) == {"rate_bps": 10**8, "loss": 0.01} | delay


@pytest.mark.usefixtures("folder")
def test_a_condition_changes_the_direction_that_it_names() -> None:
    conditions = """
[[condition]]
name = "as it is"
[[condition]]
name = "one way"
topology.client_director = { delay.towards_server = "0 ms", loss = { towards_client = "3 %" } }
"""
    as_it_is, one_way = planned(more=conditions)
    assert of_link(as_it_is) == {"rate_bps": 10**8, "delay_s": 0.02, "loss": 0.01}
    assert of_link(one_way) == {
        "rate_bps": 10**8,
        "delay_towards_client_s": 0.02,
        "delay_towards_server_s": 0.0,
        "loss_towards_client": 0.03,
        "loss_towards_server": 0.01,
    }


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("delay = {}", "delay: it names no direction: towards_client, towards_server"),
        (
            'delay = { to_client = "1 ms" }',
            "unknown key 'to_client' in [topology.client_director.delay] (did you mean 'towards_client'?)",
        ),
        (
            'delay = "1 ms", towards_client = "1 ms"',
            "unknown key 'towards_client' in [topology.client_director] "
            "(did you mean 'topology.client_director.delay.towards_client'?)",
        ),
        (
            "delay = { towards_client = 5 }",
            'delay.towards_client: 5 has no unit: a duration is a text such as "20 ms"',
        ),
        (
            'delay = { towards_client = "-5 ms" }',
            "delay.towards_client: '-5 ms': a duration cannot be negative",
        ),
        ('delay = { towards_server = "61 s" }', "delay.towards_server: a delay of 61 s is above 60 s"),
        ('delay = ["1 ms", "2 ms"]', 'delay: a duration is a text such as "20 ms"'),
        ('loss = { towards_client = "100 %" }', "loss.towards_client: a loss of 100 % lets nothing through"),
        (
            'loss = { towards_server = "-1 %" }',
            "loss.towards_server: '-1 %': a share lies between 0 % and 100 %",
        ),
    ],
)
def test_a_table_that_cannot_be_is_refused_in_a_line_with_its_place(link: str, message: str) -> None:
    found = refusal(PAGE_LOADS.replace(BOTH, link))
    assert found == "x.toml:9: " + (message if message.startswith("unknown") else f"topology.client_director.{message}")


@pytest.mark.usefixtures("folder")
def test_a_direction_that_is_given_twice_is_no_toml() -> None:
    link = 'delay = { towards_client = "1 ms", towards_client = "2 ms" }'
    assert refusal(PAGE_LOADS.replace(BOTH, link)).startswith("x.toml:9: not valid TOML: ")


@pytest.mark.usefixtures("folder")
def test_an_option_that_names_no_direction_that_there_is_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        planned(BOTH, "topology.client_director.delay.towards_cleint=1 ms")
    assert "unknown key 'towards_cleint' in [topology.client_director.delay]" in str(caught.value)


@pytest.mark.usefixtures("folder")
def test_the_trait_of_losses_has_each_direction_once() -> None:
    def traits(loss: str) -> Traits:
        return planned(f"loss = {loss}")[0].traits

    assert traits('{ towards_client = "10 %" }').delivery_share == 0.9
    assert traits('{ towards_client = "10 %", towards_server = "20 %" }').delivery_share == pytest.approx(0.72)
    assert traits('"1 %"').delivery_share == (1 - 0.01) ** 2


@pytest.mark.usefixtures("folder")
def test_a_round_trip_costs_the_same_time_however_its_delay_is_spread() -> None:
    def expected_s(link: str) -> float:
        return plan.transfer_s(planned(link)[0])

    both = expected_s('delay = "100 ms"')
    assert expected_s('delay = { towards_client = "200 ms" }') == both
    assert expected_s('delay = { towards_server = "50 ms" }') < both
    lossy = expected_s('delay = "100 ms", loss = "1 %"')
    assert both < expected_s('delay = "100 ms", loss = { towards_client = "1 %" }') < lossy


@pytest.mark.usefixtures("folder")
def test_the_picture_says_which_way_a_delay_and_a_loss_are() -> None:
    (point,) = planned(
        'delay = { towards_client = "200 ms" }, loss = { towards_client = "1 %", towards_server = "2 %" }'
    )
    wanted = "100 Mbit/s, 200 ms towards client, 1 % loss towards client, 2 % loss towards server\n"
    assert wanted in point.traits.picture


@pytest.mark.parametrize("figure", ["8", "9", "11"])
def test_the_other_reading_of_a_figure_is_the_figure_with_twice_its_delay(figure: str) -> None:
    def parameters(name: str) -> list[dict[str, object]]:
        points = plan.plan(plan.load(plan.find(name)), "paper")
        return [point.parameters | {"size": point.object_bytes, "protocol": point.protocol} for point in points]

    readings = parameters("delay-readings")
    of_figure = [each for each in parameters(figure) if each["size"] in (10**4, 10**5, 10**6, 10**7)]
    delay_s = of_figure[0]["client_director_delay_s"]
    assert isinstance(delay_s, float)
    for each in of_figure:
        assert each | {"client_director_delay_s": 2 * delay_s} in readings


def test_one_of_the_readings_is_netem_at_the_directors_interface() -> None:
    (point, *_) = [
        point
        for point in plan.plan(plan.load(plan.find("delay-readings")))
        if point.condition == "200 ms and 1 % loss at one interface"
    ]
    link = parts_of(point).topology.path_to_service()[0]
    assert (link.towards_client.delay_s, link.towards_client.loss) == (0.2, 0.01)
    assert (link.towards_server.delay_s, link.towards_server.loss) == (0, 0)
