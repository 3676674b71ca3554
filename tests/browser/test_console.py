"""The console as people meet it, in a real Chromium, over a log with the demo's traffic."""

import sys
import zipfile
from itertools import combinations
from pathlib import Path
from subprocess import run
from typing import Any

from tests.support import axe
from tests.support.browser import Browser
from tests.support.demo_log import TOKEN, ask, places, scan, send
from tests.support.service import Service

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}javascript:alert(1)"
LOST = 8
"""Which message of a scan comes late: a chunk of results."""


def newest(service: Service, kind: str) -> str:
    """The page of the newest thing of a kind."""
    return f"/{kind}/{ask(service, f'/v1/{kind}?source=clinic&limit=1')['data'][0]['id']}"


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    """Whether two boxes share a pixel."""
    across = min(one["right"], other["right"]) - max(one["left"], other["left"])
    up = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
    return across >= 1 and up >= 1


def test_no_page_has_a_barrier_in_the_light_or_in_the_dark_or_is_wider_than_a_telephone(
    browser: Browser, service: Service, axe_script: str
):
    found: dict[tuple[str, str], Any] = {}
    for path in places(service):
        browser.open(path)
        found[path, "wide"] = is_wider_than(browser, 390)
        if path == "/docs":  # the other chapters are more of the same
            browser.run("document.querySelectorAll('#sessions ~ section').forEach(one => one.remove())")
        found[path, "light"] = axe.violations(browser, axe_script)
        browser.scheme("dark")
        found[path, "dark"] = axe.violations(browser, axe_script, only="color-contrast")
        browser.scheme("light")

    assert {place: wrong for place, wrong in found.items() if wrong} == {}


def is_wider_than(browser: Browser, pixels: int) -> bool:
    """Whether the page has to be scrolled sideways there; afterwards it is as wide as it was."""
    browser.width(pixels)
    wider = browser.run("return document.documentElement.scrollWidth > innerWidth")
    browser.width(1280)
    return bool(wider)


def test_the_api_is_tried_with_the_readers_own_token(browser: Browser):
    browser.open("/docs")

    browser.run("document.querySelectorAll('#sessions details').forEach(one => one.open = true)")
    form = browser.one("#sessions form.try[data-path='/v1/sessions']")
    browser.run("document.getElementById('token').value = arguments[0]", TOKEN)
    browser.run("arguments[0].querySelector('[name=limit]').value = 1; arguments[0].requestSubmit()", form)

    browser.until(lambda: "200 OK" in browser.one("#sessions output").text, "the answer")
    assert '"next_cursor"' in browser.one("#sessions output").text


def test_an_open_session_shows_a_gap_come_and_go_without_a_reload(browser: Browser, service: Service):
    messages = scan("a gap")
    send(service, "clinic", messages[:LOST])
    browser.open(newest(service, "sessions"))
    browser.until(lambda: browser.all("body.is-live"), "the stream")
    browser.run("window.mark = 1")
    browser.run("document.querySelector('.timeline details').open = true")

    send(service, "clinic", messages[LOST + 1 : LOST + 3])
    browser.until(lambda: browser.all(".timeline .gap"), "the gap")
    send(service, "clinic", [messages[LOST], *messages[LOST + 3 :]])
    browser.until(lambda: not browser.all(".timeline .gap"), "the gap's closing")

    assert browser.run("return window.mark") == 1
    assert browser.run("return document.querySelector('.timeline details').open")


def test_the_overview_counts_what_comes_without_a_reload(browser: Browser, service: Service):
    browser.until(lambda: browser.all("body.is-live"), "the stream")
    browser.run("window.mark = 1")
    count = "return Number(document.querySelector('.tiles dd').innerText.replaceAll(',', ''))"
    was = browser.run(count)

    send(service, "clinic", scan("one more")[:3])

    browser.until(lambda: browser.run(count) >= was + 3, "the new events")
    assert browser.run("return window.mark") == 1


def test_times_are_in_the_readers_zone_and_utc_on_hover(browser: Browser):
    browser.zone("Europe/Berlin")
    browser.open("/sessions")

    told, title, utc = browser.run(
        "const one = document.querySelector('td time'); return [one.textContent, one.title, one.dateTime]"
    )

    expected = browser.run("return new Date(arguments[0]).toLocaleTimeString('en-GB')", utc)
    assert told.split(" ")[1].partition(".")[0] == expected
    assert title == f"{utc.replace('T', ' ').replace('Z', '')} UTC"
    assert "Europe/Berlin" in browser.one("#zone").text
    browser.zone("")


def test_a_slider_leads_to_the_past_and_back(browser: Browser, service: Service):
    browser.open(newest(service, "sessions"))
    now = browser.one("dl.facts .tag").text

    slide = "const one = document.querySelector('#as_of ~ .slide input'); one.value = arguments[0];"
    slide += "one.dispatchEvent(new Event('input')); one.dispatchEvent(new Event('change'))"
    browser.run(slide, 0)
    browser.one(".past")
    then = browser.one("dl.facts .tag").text
    focused = browser.run("return document.activeElement.type")
    browser.run(slide, 1_000)
    browser.until(lambda: not browser.all(".past"), "the present")

    assert (then, focused, browser.one("dl.facts .tag").text) == ("loaded", "range", now)


def test_a_time_is_typed_in_the_zone_in_which_it_is_read(browser: Browser, service: Service):
    browser.zone("Europe/Berlin")
    path = newest(service, "sessions")
    browser.open(path)
    read = browser.one(".timeline summary time")
    clock, instant = read.text[11:19], read.get_attribute("datetime")

    browser.run(
        "const one = document.getElementById('as_of'); one.value = arguments[0]; one.form.requestSubmit()", clock
    )
    banner = browser.one(".past").text
    url, label = browser.driver.current_url, browser.one("label[for=as_of]").text
    later = (
        "document.getElementById('as_of').value = '2099-01-01 12:00'; document.querySelector('.travel button').click()"
    )
    browser.run(later)
    fault, (refused,) = browser.one("#as_of-fault").text, browser.said()
    browser.zone("")

    assert f"{str(instant)[:19].replace(':', '%3A')}Z" in url
    assert f"{clock} Europe/Berlin" in banner
    assert label == "Happened by (Europe/Berlin)"
    assert "that is still to come" in fault
    assert "400 (Bad Request)" in refused


def test_in_the_pictures_of_a_measurement_nothing_lies_over_anything_else(browser: Browser, service: Service):
    messages = scan("a lost chunk")
    send(service, "clinic", messages[:LOST] + messages[LOST + 1 :])
    browser.open(newest(service, "measurements"))
    shapes = "[...document.querySelectorAll(arguments[0])].map((one) => one.getBoundingClientRect().toJSON())"

    texts, points, bands = (
        browser.run(f"return {shapes}", f".plot:not(.lanes) {one}") for one in ("text", "circle", ".hole")
    )
    circles, numbers = (browser.run(f"return {shapes}", f".lanes {one}") for one in ("circle", ".sequence"))
    names = browser.run("return [...document.querySelectorAll('.plot .axis')].map((one) => one.textContent)")

    assert names == ["SNR in dB", "chunk"]
    (band,) = bands
    assert sorted([*points, band], key=lambda box: box["left"]).index(band) == 1
    assert circles
    assert numbers
    for some in ([*texts, band], [*points, band], [*circles, *numbers]):
        assert not [pair for pair in combinations(some, 2) if overlap(*pair)]


def test_a_bundle_is_downloaded_and_its_verifier_agrees(browser: Browser, service: Service, folder: Path):
    browser.open(newest(service, "measurements"))

    browser.run("document.querySelector('form[action$=evidence]').requestSubmit()")
    browser.until(lambda: list(folder.glob("*.zip")), "the bundle")

    (bundle,) = folder.glob("*.zip")
    zipfile.ZipFile(bundle).extractall(folder / "bundle")
    checked = run([sys.executable, "verify.py"], cwd=folder / "bundle", capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_replay_is_watched_until_it_serves_and_taken_back(browser: Browser):
    browser.open("/replays")
    browser.one("#machine-measurement").click()
    browser.press("Work out what would change")
    browser.one("#sure").click()
    browser.press("Replay and switch")
    browser.until(lambda: "Done: what was built serves" in browser.text, "the end")

    browser.open("/replays")
    browser.one("details[id^=switch-] summary").click()
    browser.one("details[open] input[type=checkbox]").click()
    browser.press("Let it serve")

    assert len(browser.all("details[id^=switch-]")) == 1


def test_hostile_words_stay_words(browser: Browser, service: Service):
    times = {"type": "session_request", "timestamp": "2026-11-21T20:48:00.000Z"}
    times["mentraOSWebsocketUrl"] = HOSTILE
    service.glasses(times | {"sessionId": HOSTILE, "userId": HOSTILE})

    for path in ("/sessions", "/events", "/", f"/sessions/{ask(service, '/v1/sessions?limit=1')['data'][0]['id']}"):
        browser.open(path)
        assert browser.all("img") == []
        assert len(browser.all("script")) == 1
    browser.press("Show ids whole")

    assert HOSTILE in browser.text
    assert browser.all("img") == []


def test_everything_but_what_is_live_works_without_a_script(browser: Browser, service: Service):
    with browser.without_script():
        browser.open("/sessions?state=abandoned")
        browser.one("#filter-state")
        told = [one.text for one in browser.all("tbody td .tag.bad")]
        browser.open(newest(service, "sessions"))
        browser.one(".timeline summary").click()
        opened = browser.one(".timeline details[open] dl").text
        browser.one("#search-id").send_keys("1\n")
        browser.until(lambda: browser.path == "/events/1", "the event")
        zone = browser.one("#zone").text

    assert {"abandoned"} <= set(told)
    assert "Verified by" in opened
    assert zone == "All times are UTC."


def test_the_hint_of_a_rejection_is_beside_it_and_on_a_telephone_below_it(browser: Browser):
    look = """
        const row = document.querySelector('.refused tbody tr'), panel = row.closest('.scroll');
        const [reason, hint] = ['.tag', '.hint'].map(name => row.querySelector(name).getBoundingClientRect());
        return [hint.top >= reason.bottom, hint.left >= reason.right, panel.scrollWidth > panel.clientWidth];
    """

    wide = browser.run(look)
    browser.width(390)
    narrow = browser.run(look)
    browser.width(1280)

    assert wide == [False, True, False]
    assert narrow == [True, False, False]


def test_on_a_telephone_no_day_and_no_time_of_day_is_on_two_lines(browser: Browser, service: Service):
    torn = """
        const lines = (time, from, to) => {
            const range = document.createRange();
            range.setStart(time.firstChild, from);
            range.setEnd(time.firstChild, to);
            return new Set([...range.getClientRects()].filter(one => one.width).map(one => one.top)).size;
        };
        const shown = [...document.querySelectorAll('time')].filter(one => one.textContent.includes(' '));
        return shown.filter(one => [[0, 10], [11, one.textContent.length]].some(part => lines(one, ...part) > 1))
            .map(one => one.textContent);
    """
    browser.width(390)

    found = {}
    for path in places(service):
        browser.open(path)
        found[path] = browser.run(torn)

    assert {path: times for path, times in found.items() if times} == {}


def test_on_a_telephone_the_sliders_stay_within_their_panel_and_a_typed_time_is_seen_whole(
    browser: Browser, service: Service
):
    browser.width(390)
    browser.open(newest(service, "sessions"))
    browser.one("#known_at ~ .slide input")

    outside, cut = browser.run("""
        const form = document.querySelector('.travel'), field = document.getElementById('known_at');
        const edge = form.getBoundingClientRect().right;
        field.value = '2026-12-02 18:34:07.123';
        const beyond = [...form.querySelectorAll('*')].filter(one => one.getBoundingClientRect().right > edge);
        return [beyond.length, field.scrollWidth > field.clientWidth];
    """)
    browser.width(1280)

    assert (outside, cut) == (0, False)


def test_on_a_telephone_a_form_is_folded_until_it_is_used(browser: Browser, service: Service):
    browser.width(390, 844)
    page = newest(service, "sessions")

    seen = {}
    for path in ("/sessions", page):
        browser.open(path)
        top = browser.run("return document.querySelector('.sentence, table.list').getBoundingClientRect().top")
        seen[path] = (browser.one("details.fold").get_attribute("open"), top < 500)
    browser.one("details.fold summary").click()
    known = ask(service, f"/v1{page}")["last_at"]
    browser.run(
        "document.getElementById('as_of').value = arguments[0]; document.querySelector('.travel').requestSubmit()",
        known,
    )
    browser.one(".past")
    used = browser.one("details.fold").get_attribute("open")
    browser.width(1280)
    browser.open(page)

    assert set(seen.values()) == {(None, True)}
    assert used == "true"
    assert browser.one("#as_of").is_displayed()
    assert not browser.one("details.fold summary").is_displayed()
