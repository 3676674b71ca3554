"""A console over a log of a test, asked in-process."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from html.parser import HTMLParser
from typing import Any

import pytest

from adapters.audit import CheckpointSigner, CurrentKey
from adapters.console import console
from adapters.http import questions_of
from adapters.sql import Plans, Replay, Tree
from tests.support.audited import SIGNING
from tests.support.house import NOON, SECOND, House

FIRST = ["curl <first>", "hookfold simulate --source clinic"]
POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
NOW = NOON + 120 * SECOND
"""What a page takes for the present: what is sent here happens in the two minutes before."""

VOID = {"meta", "link", "input", "br", "path", "rect", "circle", "line", "polyline"}


class Page(HTMLParser):
    """A page as a reader of its markup sees it: every element has to be closed in its turn."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.markup = markup
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(markup)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str, name: str) -> list[str]:
        """An attribute of every element of that kind."""
        return [attrs[name] or "" for found, attrs in self.tags if found == tag and name in attrs]


class Desk(House):
    """A house with the console; `look` gives a page."""

    def __init__(self, url: str, **api: Any) -> None:
        super().__init__(url, **({"clock": lambda: NOW} | api))
        object.__setattr__(self.api, "signer", CheckpointSigner(Tree(self.engine), CurrentKey(SIGNING)))
        object.__setattr__(self.api, "plans", Plans(self.engine, self.replay, lambda: NOON))
        self.app.register_blueprint(console(questions_of(self.api), b"k" * 32, self.api.holders, lambda: FIRST))
        self.client = self.app.test_client()

    def replay(self, by: str | None) -> Replay:
        return Replay(self.engine, self.code, lambda: NOON, partial(self.recorder.record, by=by))

    def look(self, path: str, status: int = 200, **parameters: str) -> Page:
        return self.page(self.client.get(path, query_string=parameters or None), status)

    def fill(self, path: str, status: int = 200, **fields: str) -> Page:
        """The page that a form leads to; the form's own page was seen before."""
        return self.page(self.post(path, **fields), status)

    def post(self, path: str, **fields: str) -> Any:
        found = re.search('name="csrf" value="([^"]+)"', self.client.get("/").get_data(as_text=True))
        assert found
        return self.client.post(path, data={"csrf": found[1], **fields})

    @staticmethod
    def page(answer: Any, status: int) -> Page:
        assert answer.status_code == status, answer.get_data(as_text=True)
        assert answer.content_type == "text/html; charset=utf-8"
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        return Page(answer.get_data(as_text=True))


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    """On SQLite and on PostgreSQL."""
    made = Desk(database_url)
    yield made
    made.close()


@pytest.fixture
def one_desk(sqlite_url: str) -> Iterator[Desk]:
    """For what no database has a part in."""
    made = Desk(sqlite_url)
    yield made
    made.close()


@pytest.fixture
def guarded(sqlite_url: str) -> Iterator[Callable[..., Desk]]:
    """One that asks for tokens."""
    made: list[Desk] = []

    def desk_of(**api: Any) -> Desk:
        made.append(Desk(sqlite_url, **api))
        return made[-1]

    yield desk_of
    for one in made:
        one.close()
