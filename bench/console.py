"""The console over a large log of mixed traffic: how long each page takes to its first byte, and how large it is."""

import http.client
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle, groupby, islice
from operator import attrgetter
from statistics import median
from typing import NamedTuple
from urllib.parse import urlencode

from bench.asking import Asking
from bench.command import Place, main
from bench.console_pages import Page, pages
from bench.measure import say
from bench.mixed import MORE
from bench.results import Figure
from bench.servers import BY_DEFAULT, HOME, hookfold

FIRST_BYTE_MS = 150
KILOBYTES = 200

_ALL = 60
"""Questions of a kind from which on every page is looked at."""

Look = Callable[[str], tuple[float, int]]
"""Asks for one of a page's addresses: seconds to the first byte, and bytes of all of it."""


class Seen(NamedTuple):
    """A page: the median of its first bytes in milliseconds, and its largest size in kilobytes."""

    page: Page
    first_byte: float
    size: float


def console(place: Place) -> list[Figure]:
    """Every database; every page of the console."""
    urls = _filled(place)
    return [figure for kind, url in urls.items() for figure in of_database(place, kind, url)]


def _filled(place: Place) -> dict[str, str]:
    """The databases, filled at the same time."""
    urls, running, began = {}, {}, time.monotonic()
    for kind in place.databases:
        folder = place.folder / f"mixed-{kind}"
        folder.mkdir()
        url = (
            f"sqlite:///{folder}/log.db" if kind == "sqlite" else place.postgres.url(place.postgres.create("template1"))
        )
        command = [sys.executable, "-m", "bench.mixed", str(folder), url, str(place.scale.large)]
        urls[kind], running[kind] = url, subprocess.Popen(command, cwd=HOME)
    for kind, process in running.items():
        if process.wait() != 0:
            raise RuntimeError(f"{urls[kind]} could not be filled")
        say(f"  {kind} is filled after {time.monotonic() - began:.0f} s")
    return urls


def of_database(place: Place, kind: str, url: str) -> list[Figure]:
    """The figures of a database that is filled: for each group of pages its slowest and its largest one."""
    asked = max(1, place.scale.asked // 20)
    with hookfold(place.folder / f"mixed-{kind}", url, BY_DEFAULT, more=MORE) as server:
        with Asking(server.port) as ask:
            every = list(pages(ask))[:: 1 if place.scale.asked >= _ALL else 12]
        seen = [_seen(page, lambda path: _first_byte(server.port, path), asked) for page in every]
        seen += _searches(server.port, asked)
    settings = {"database": kind, "events": place.scale.large}
    seen.sort(key=lambda one: one.page.group)
    return [
        figure
        for group, of_group in groupby(seen, key=attrgetter("page.group"))
        for figure in _figures(f"console {kind}, {group}", list(of_group), settings)
    ]


def _figures(name: str, seen: list[Seen], settings: dict[str, object]) -> Iterator[Figure]:
    slowest, largest = max(seen, key=attrgetter("first_byte")), max(seen, key=attrgetter("size"))
    told = settings | {"pages": len(seen)}
    yield Figure(
        name=f"{name}: first byte of the slowest of {len(seen)}",
        value=slowest.first_byte,
        low=min(one.first_byte for one in seen),
        high=slowest.first_byte,
        unit="ms",
        wanted=FIRST_BYTE_MS,
        less=True,
        settings=told | {"page": slowest.page.name},
    )
    yield Figure(
        name=f"{name}: size of the largest of {len(seen)}",
        value=largest.size,
        low=min(one.size for one in seen),
        high=largest.size,
        unit="kB",
        wanted=KILOBYTES,
        less=True,
        settings=told | {"page": largest.page.name},
    )


def _seen(page: Page, look: Look, asked: int) -> Seen:
    """Asks so often, for its addresses in turn."""
    found = [look(path) for path in islice(cycle(page.paths), asked)]
    seen = Seen(page, median(taken for taken, _ in found) * 1e3, max(size for _, size in found) / 1e3)
    say(f"  {seen.first_byte:6.1f} ms {seen.size:6.1f} kB  {page.name}")
    return seen


def _searches(port: int, asked: int) -> Iterator[Seen]:
    """What the search box finds: it sends a form, and a cookie with it."""
    with Asking(port) as ask:
        ours = str(ask.get("/v1/sessions?limit=1")["data"][0]["id"])
        user = str(ask.get("/v1/sessions?source=captions&limit=1")["data"][0]["user_id"])
    for name, wanted in (("our id", ours), ("a user", user), ("a position", "1000"), ("what nobody has", "nobody")):
        page = Page("search", f"search for {name}", [urlencode({"id": wanted})])
        yield _seen(page, lambda form: _first_byte(port, "/search", form), asked)


def _first_byte(port: int, path: str, form: str | None = None) -> tuple[float, int]:
    """Seconds until the answer began, and the bytes of all of it. Raises RuntimeError where there is no page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body, headers = (None, {}) if form is None else _signed(connection, form)
    began = time.perf_counter()
    connection.request("GET" if body is None else "POST", path, body, headers)
    answer = connection.getresponse()
    taken = time.perf_counter() - began
    size = len(answer.read())
    connection.close()
    if answer.status not in ({200} if form is None else {200, 303, 404}):
        raise RuntimeError(f"{path}: {answer.status}")
    return taken, size


def _signed(connection: http.client.HTTPConnection, form: str) -> tuple[str, dict[str, str]]:
    """The form with what it has to bring along, as a page of ours has it."""
    connection.request("GET", "/machines")
    answer = connection.getresponse()
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    token = re.search(rb'name="csrf" value="([^"]+)"', answer.read())
    if token is None:
        raise RuntimeError("the page has no form")
    kind = "application/x-www-form-urlencoded"
    return f"{form}&csrf={token[1].decode()}", {"Cookie": cookie, "Content-Type": kind}


if __name__ == "__main__":
    main({"console": console})
