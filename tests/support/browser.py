"""A real Chromium, driven: what a page shows, what its console said, and whom it asked."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
)
PATIENCE = 30.0
"""Seconds for something to appear: the machine may be busy."""


def missing() -> list[str]:
    """The programs that are not there, of those that it takes."""
    return [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]


class Browser:
    """One window on a service; `base` is its address."""

    def __init__(self, driver: Chrome, base: str) -> None:
        self.driver = driver
        self.base = base

    def open(self, path: str) -> None:
        """Goes to a page of the service."""
        self.driver.get(self.base + path)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """The first that fits, once it is there."""
        found: list[WebElement] = self.until(lambda: self.all(selector), selector)
        return found[0]

    def press(self, text: str) -> None:
        """Presses the button with that text; the next page is there when this returns."""
        before = self.one("html")
        [button] = [one for one in self.all("main button") if one.text.strip() == text]
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()
        self.until(lambda: self.one("html") != before, f"the page behind {text}")

    @property
    def text(self) -> str:
        """What stands in the page's main part."""
        return str(self.driver.execute_script("return document.querySelector('main').innerText"))

    @property
    def path(self) -> str:
        return urlsplit(self.driver.current_url).path

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(script, *arguments)

    def until(self, condition: Any, what: str) -> Any:
        """What the condition gives, once that is true."""
        return WebDriverWait(self.driver, PATIENCE, 0.05).until(lambda _: condition(), f"not in time: {what}")

    def scheme(self, name: str) -> None:
        """`light` or `dark`, as the reader's system would have it."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def zone(self, name: str) -> None:
        """The time zone that the reader is in."""
        self.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": name})

    def width(self, pixels: int, height: int = 900) -> None:
        """How wide the window is."""
        size = {"width": pixels, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    @contextmanager
    def without_script(self) -> Iterator[None]:
        """A block in which no page runs a script."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        try:
            yield
        finally:
            self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})

    def said(self) -> list[str]:
        """What the pages' consoles said since this was asked last."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def hosts(self) -> set[str]:
        """Whom the pages have asked since this was asked last."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return {urlsplit(one["request"]["url"]).netloc for one in asked}


@contextmanager
def chromium(folder: Path, base: str) -> Iterator[Browser]:
    """A browser with a new profile, and files that are downloaded in that folder."""
    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options, ChromeService(shutil.which("chromedriver")))
    try:
        yield Browser(driver, base)
    finally:
        driver.quit()
