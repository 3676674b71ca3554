"""Whatever goes wrong with a delivery, its sender is told to send it again."""

from typing import Any, cast

from adapters.server import Front
from adapters.server.reader import Request


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
