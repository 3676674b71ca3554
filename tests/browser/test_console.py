"""The console as people meet it, in a real Chromium, over a log with the demo's traffic."""

import pytest

from tests.support import axe
from tests.support.browser import Browser
from tests.support.demo_log import TOKEN, places
from tests.support.service import Service


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_barrier(browser: Browser, service: Service, axe_script: str, scheme: str):
    browser.scheme(scheme)

    found = {}
    for path in places(service):
        browser.open(path)
        part = "#sessions" if path == "/docs" else "html"  # what follows there is more of the same
        found[path] = axe.violations(browser, axe_script, part, None if scheme == "light" else "color-contrast")

    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def test_the_api_is_tried_with_the_readers_own_token(browser: Browser):
    browser.open("/docs")

    browser.run("document.querySelectorAll('#sessions details').forEach(one => one.open = true)")
    form = browser.one("#sessions form.try[data-path='/v1/sessions']")
    browser.run("document.getElementById('token').value = arguments[0]", TOKEN)
    browser.run("arguments[0].querySelector('[name=limit]').value = 1; arguments[0].requestSubmit()", form)

    browser.until(lambda: "200 OK" in browser.one("#sessions output").text, "the answer")
    assert '"next_cursor"' in browser.one("#sessions output").text
