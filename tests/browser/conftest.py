"""One service with the demo's traffic and one Chromium for a module's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import axe
from tests.support.browser import Browser, chromium, missing
from tests.support.demo_log import TOKEN, demo_service
from tests.support.service import Service


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if absent := missing():
        pytest.skip(f"LEFT OUT: it wants {' and '.join(absent)} (Debian's packages chromium and chromium-driver)")
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    with demo_service(folder / "service") as running:
        yield running


@pytest.fixture(scope="module")
def window(folder: Path, service: Service) -> Iterator[Browser]:
    """Signed in."""
    with chromium(folder, f"http://127.0.0.1:{service.port}") as browser:
        browser.open("/")
        browser.one("#token").send_keys(TOKEN)
        browser.press("Sign in")
        yield browser


@pytest.fixture
def browser(window: Browser) -> Iterator[Browser]:
    """The same for one test, which finds the overview; in the end no page may have complained or asked elsewhere."""
    window.scheme("light")
    window.width(1280)
    window.open("/")
    window.said()
    window.hosts()
    yield window
    assert window.said() == []
    assert window.hosts() <= {window.base.removeprefix("http://"), ""}


@pytest.fixture(scope="module")
def axe_script(request: pytest.FixtureRequest) -> str:
    try:
        return axe.source(request.config.cache.mkdir("axe"))
    except axe.AbsentError as error:
        pytest.skip(f"LEFT OUT: {error}")
