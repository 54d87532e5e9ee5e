"""The time line of a report, scrubbed in a real browser: what it shows at a moment is what the run's tables say."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import PageView, browser
from extent import in_test_all
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from analysis.tables import read_table
from experiments import api
from experiments.cli import main

Rows = list[dict[str, Any]]


class Told:
    """What the tables of a run say of one point."""

    def __init__(self, run: Path, figure: str) -> None:
        (self.point,) = [row["point"] for row in read_table(run, "points").to_pylist() if row["figure"] == figure]
        self._run = run
        self.steps, self.resets, self.events = self.rows("steps"), self.rows("resets"), self.rows("events")
        self.step_s: float = self.steps[0]["step_s"]

    def rows(self, table: str) -> Rows:
        return [row for row in read_table(self._run, table).to_pylist() if row["point"] == self.point]

    def mbps(self, step: int, **wanted: str) -> float:
        rows = [row for row in self.steps if row["step"] == step and row["direction"] == "to-client"]
        return sum(
            row["payload_bytes"] * 8 / self.step_s / 1e6
            for row in rows
            if all(row[name] == value for name, value in wanted.items())
        )

    def step_of(self, t_s: float) -> int:
        return math.floor(t_s / self.step_s)

    def causes(self, step: int) -> Counter[str]:
        return Counter(row["cause"] for row in self.resets if self.step_of(row["t_s"]) == step)

    def changes(self, kind: str) -> Rows:
        return [row for row in self.events if row["event"] == kind]


WHOLE = pytest.param("whole", marks=in_test_all("the whole of Figs. 13 and 14 takes minutes: make test-all"))


@pytest.fixture(scope="module", params=["short", WHOLE])
def run(request: pytest.FixtureRequest, anycast_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "short":
        return anycast_run
    out = tmp_path_factory.mktemp("whole") / "run"
    api.run(api.plan(["fig13", "fig14"]), out=out).require_valid()
    return out


@pytest.fixture(scope="module")
def page(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page") / "report.html"
    with pytest.raises(SystemExit) as ended:
        main.main(["report", str(run), "--out", str(out)])
    assert ended.value.code == 0
    assert out.stat().st_size < 10_000_000
    return out


@pytest.fixture(scope="module")
def opened() -> Iterator[PageView]:
    with browser() as found:
        yield found


@pytest.fixture
def view(opened: PageView, page: Path) -> Iterator[PageView]:
    opened.open(page)
    opened.wait_for("tl-clock", "of")
    yield opened
    assert opened.text("tl-problem") == ""
    assert opened.complaints() == []
    assert opened.fetched() == []


def choose(view: PageView, point: str) -> None:
    Select(view.element("tl-point")).select_by_visible_text(point)
    view.wait_for("tl-title", "TCP downloads from anycast servers under churn")
    view.driver.execute_script("return new Promise(done => setTimeout(done, 100))")


def scrub_to(view: PageView, step: int) -> None:
    """By the keyboard, from where it is."""
    slider = view.element("tl-moment")
    away = step - int(slider.get_property("value"))
    slider.send_keys((Keys.ARROW_RIGHT if away > 0 else Keys.ARROW_LEFT) * abs(away) or Keys.NULL)
    assert int(slider.get_property("value")) == step


def shown(value: float, digits: int = 1) -> str:
    return f"{value:,.{digits}f}"


@pytest.mark.parametrize("figure", ["13", "14"])
def test_three_moments_are_what_the_tables_say(view: PageView, run: Path, figure: str) -> None:
    told = Told(run, figure)
    choose(view, told.point)
    removed, added = told.changes("server-removed")[0], told.changes("server-added")[0]
    moments = [0, told.step_of(removed["t_s"]), told.step_of(added["t_s"]) + 1]
    said, widths = [], []
    for step in moments:
        scrub_to(view, step)
        said.append(view.text("tl-said"))
        widths.append(view.attributes("#tl-picture path", "stroke-width"))
        servers = sorted({row["server"] for row in told.steps})
        of = ", ".join(f"{each} {shown(told.mbps(step, server=each))}" for each in servers)
        assert f": {shown(told.mbps(step))} Mbit/s of payload to the client ({of})" in said[-1]
        carrying = {row["connection"] for row in told.rows("progress") if row["step"] == step}
        begun = [row for row in told.rows("connections") if row["syn_s"] < (step + 1) * told.step_s]
        are_open = [row for row in begun if row["end_s"] is None or row["end_s"] >= step * told.step_s]
        assert f"{len(are_open)} connections open, {len(carrying)} carried data" in said[-1]
        causes = told.causes(step)
        assert ("no RST" in said[-1]) == (not causes)
        assert all(f"{cause} {count}" in said[-1] for cause, count in causes.items())
        listed: Counter[str] = Counter()
        for count, _, cause in (row for row in view.rows("tl-resets") if len(row) == 3):
            listed[cause.partition(":")[0]] += int(count)
        assert listed == causes
        for server, _, path, to_client, _ in view.rows("tl-links"):
            name = "past" if path == "past the director" else "director"
            assert to_client == shown(told.mbps(step, server=server, path=name))
    assert f"server {removed['server']} removed at {removed['t_s']:.3f} s" in said[1]
    assert [f"{removed['server']} out of the pool" in each for each in said] == [False, True, False]
    assert len(set(said)) == 3 and len({tuple(each) for each in widths}) >= (3 if figure == "13" else 2)
    # The route moved: TCP's connections to that server are broken, MPTCP's go on past it.
    around = (moments[1] - 3, told.step_of(added["t_s"]) - 1)
    before, late = (told.mbps(step, server=removed["server"]) for step in around)
    assert (late > before / 2) == (figure == "14")


def test_one_connection_is_looked_at_closely(view: PageView, run: Path) -> None:
    told = Told(run, "13")
    choose(view, told.point)
    reset = next(row for row in told.resets if row["ended_connection"] and row["cause"] == "no-socket")
    number = view.element("tl-connection")
    number.clear()
    number.send_keys(str(reset["connection"]), Keys.ENTER)
    view.element("tl-moment").send_keys(Keys.END)
    progress = [row for row in told.rows("progress") if row["connection"] == reset["connection"]]
    (connection,) = [row for row in told.rows("connections") if row["connection"] == reset["connection"]]
    about = view.text("tl-about")
    assert f"{sum(row['payload_bytes'] for row in progress):,} bytes of payload so far" in about
    assert connection["why"] in about and f"{reset['t_s']:.3f} s by {reset['sender']}: no-socket" in about
    (subflow,) = view.rows("tl-subflows")
    assert subflow[1:4] == ["tcp", "anycast address", connection["server"]]
    strokes = view.driver.find_elements(By.CSS_SELECTOR, "#tl-sequence line[stroke-dasharray='2 1.5']")
    assert len(strokes) == len(progress) > 5


def test_the_keyboard_and_a_screen_reader_are_enough(view: PageView) -> None:
    driver = view.driver
    controls = driver.find_elements(By.CSS_SELECTOR, "#tl button, #tl input, #tl select, #tl summary")
    assert len(controls) > 6
    assert all(each.accessible_name for each in controls if each.is_displayed())
    slider, clock = view.element("tl-moment"), view.text("tl-clock")
    assert slider.accessible_name == "Moment" and slider.aria_role == "slider"
    slider.send_keys(Keys.ARROW_RIGHT)
    assert view.text("tl-clock") != clock
    assert slider.get_attribute("aria-valuetext") == view.text("tl-said").partition(":")[0]
    assert view.element("tl-said").get_attribute("aria-live") == "polite"
    slider.send_keys(Keys.HOME)
    assert view.text("tl-clock") == clock
    before = view.text("tl-said")
    view.element("tl-next").send_keys(Keys.ENTER)
    assert "changes: server s1 removed" in view.text("tl-said") != before
    # While it plays, nothing is read aloud; then the last moment is.
    view.element("tl-play").send_keys(Keys.SPACE)
    assert view.element("tl-said").get_attribute("aria-live") == "off"
    view.element("tl-play").send_keys(Keys.SPACE)
    assert view.element("tl-said").get_attribute("aria-live") == "polite"


def test_a_click_into_the_drawings_scrubs_as_well(view: PageView) -> None:
    for drawing in ("tl-chart", "tl-raster", "tl-sequence"):
        view.element("tl-moment").send_keys(Keys.HOME)
        view.element(drawing).click()  # in its middle
        reached = int(view.element("tl-moment").get_property("value"))
        assert abs(reached - int(view.element("tl-moment").get_property("max")) / 2) < 20
