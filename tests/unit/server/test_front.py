"""What is answered in the event loop: whatever goes wrong with a delivery, its sender is told to send it again."""

from collections.abc import Iterator
from typing import Any, cast

import pytest

from adapters.http import ALIVE
from adapters.server import Front
from adapters.server.http11.reader import Request
from tests.support.house import House


@pytest.fixture
def one_house(sqlite_url: str) -> Iterator[House]:
    made = House(sqlite_url)
    yield made
    made.close()


class Broken:
    """A door that knows every source, and fails."""

    def source_of(self, _method: str, _path: str) -> str:
        return "clinic"

    def receive(self, *_: Any) -> Any:
        raise ZeroDivisionError


def test_a_fault_of_ours_is_answered_with_503():
    answers: list[Any] = []
    nobody = cast(Any, None)

    Front(cast(Any, Broken()), nobody, nobody).answer(
        Request("POST", "/in/clinic", "1.1", [], b"{}", last=False), answers.append
    )

    assert [answer.status for answer in answers] == [503]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_whether_the_process_answers_is_told_without_a_thread(method: str):
    answers: list[Any] = []
    nobody = cast(Any, None)

    Front(nobody, nobody, nobody).answer(Request(method, "/healthz", "1.1", [], b"", last=False), answers.append)

    assert answers == [ALIVE]


def test_it_is_told_as_flask_tells_it(one_house: House):
    told = one_house.client.get("/healthz")

    assert (told.status_code, told.data) == (ALIVE.status, ALIVE.body)
    assert {(name.lower(), value) for name, value in told.headers.items()} - set(ALIVE.headers) == {
        ("content-length", str(len(ALIVE.body)))
    }
