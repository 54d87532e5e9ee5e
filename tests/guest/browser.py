"""A real browser on a page of ours: Debian's Chromium without a window, driven by Selenium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

_WAIT_S = 30
_OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1300,1800",
    # It asks nobody for anything: neither for the page nor for itself.
    "--disable-background-networking", "--disable-component-update", "--no-first-run", "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip


class PageView:
    """One page in a browser."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, page: Path) -> None:
        """Open a page anew, as it is at first."""
        self.driver.get(page.resolve().as_uri())

    def element(self, name: str) -> WebElement:
        return self.driver.find_element(By.ID, name)

    def text(self, name: str) -> str:
        return self.element(name).text

    def rows(self, table: str) -> list[list[str]]:
        """The cells of a table's body, as they are shown."""
        found: list[list[str]] = self.driver.execute_script(
            "return [...document.getElementById(arguments[0]).tBodies[0].rows]"
            ".map(row => [...row.cells].map(cell => cell.innerText))",
            table,
        )
        return found

    def attributes(self, selector: str, name: str) -> list[str]:
        """An attribute of all elements that a selector finds."""
        found: list[str] = self.driver.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map(each => each.getAttribute(arguments[1]))",
            selector,
            name,
        )
        return found

    def wait_for(self, name: str, text: str) -> None:
        """Until an element shows a text."""
        WebDriverWait(self.driver, _WAIT_S).until(lambda _: text in self.text(name))

    def complaints(self) -> list[str]:
        """Everything on the browser's console since the last time."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def fetched(self) -> list[str]:
        """What the page asked for beside itself."""
        found: list[str] = self.driver.execute_script(
            "return performance.getEntriesByType('resource').map(each => each.name.slice(0, 100))"
        )
        return [name for name in found if not name.startswith("data:")]


@contextmanager
def browser() -> Iterator[PageView]:
    """Chromium without a page; it ends with the block."""
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            pytest.fail(f"no {program}: install the packages of tests/debian-packages.txt ('make test' does)")
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for option in _OPTIONS:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield PageView(driver)
    finally:
        driver.quit()
