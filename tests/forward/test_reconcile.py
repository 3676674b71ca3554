"""Amps is asked how its actions are that no webhook has ended; its webhook's word stays before what it answered."""

import asyncio
import json
import socket
from typing import Any

import pytest

from adapters.providers import reader
from adapters.server import ActionApi, Reconciled, Reconciliation
from adapters.sql import Code, Entry, Reads
from tests.support.handler import Handler
from tests.support.house import NOON, SECOND, House, pushed

FAR = NOON + 3_600 * SECOND


class Api:
    """Amps' side: what it answers about each action, by status and document."""

    def __init__(self, behind: Handler, answers: dict[str, tuple[int, Any]]) -> None:
        self.asked: list[str] = []
        self._answers = answers
        self._behind = behind
        behind.answer = self._answer

    def _answer(self, connection: socket.socket) -> None:
        heard = self._behind.heard.get()
        assert heard.headers[b"x-api-key"] == b"a key"
        action = heard.first.split()[1].decode().removeprefix("/v2/actions/")
        self.asked.append(action)
        status, document = self._answers[action]
        body = json.dumps(document).encode()
        connection.sendall(
            b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(body)) + body
        )


def told(house: House, action: str, state: str) -> None:
    house.tell(source="energy", key=f"{action}-{state}", action_id=action, state=state, occurred_at=NOON)


def answer(action: str, status: str, **more: Any) -> tuple[int, Any]:
    return 200, {"success": True, "data": {"id": action, "status": status, **more}, "meta": {"environment": "live"}}


def reconciled(house: House, behind: Handler, most: int | None = None, rounds: int = 1) -> list[Reconciled]:
    async def go() -> list[Reconciled]:
        reads = Reads(house.engine)
        current = reads.current(Code(house.ids, house.code.sources))

        async def find(after: int, heard_before: int, limit: int) -> Any:
            assert current.is_built()
            return reads.live_actions("energy", current.versions, after, heard_before, limit)

        async def commit(entry: Entry) -> bool:
            house.log.append([entry])
            return True

        api = ActionApi(f"{behind.url}/v2", "a key")
        made = Reconciliation("energy", api, find, commit, lambda: FAR, gap=0)
        done = [await made.round(most) for _ in range(rounds)]
        await api.close()
        return done

    return asyncio.run(go())


def states(house: House) -> dict[str, str]:
    return {one["action_id"]: one["state"] for one in house.get("/v1/actions", limit=100)["data"]}


def test_what_goes_on_is_asked_for_and_what_is_new_is_an_event(house: House, behind: Handler):
    for action in ("a/1", "b", "c", "d", "e"):
        told(house, action, "acknowledged")
    house.send("energy", pushed("done"), key="m")
    api = Api(
        behind,
        {
            "a%2F1": answer(
                "a/1", "completed", deviceId="car-1", result={"kwh": 7}, completedAt="2023-11-14T22:30:00Z"
            ),
            "b": answer("b", "scheduled"),
            "c": answer("c", "acknowledged"),
            "d": answer("d", "cancelled"),
            "e": (404, {"success": False}),
        },
    )

    first, second = reconciled(house, behind, rounds=2)

    assert sorted(api.asked[:5]) == ["a%2F1", "b", "c", "d", "e"]
    assert (first.asked, first.learnt) == (5, {"completed": 1, "scheduled": 1, "cancelled": 1})
    assert (first.unchanged, first.unknown) == (1, 1)
    assert (second.asked, second.learnt) == (2, {})  # b was heard of just now
    assert states(house) == {
        "a/1": "completed",
        "b": "scheduled",
        "c": "acknowledged",
        "d": "cancelled",
        "e": "acknowledged",
        "done": "completed",
    }
    (action,) = house.get("/v1/actions", action_id="a/1")["data"]
    assert action["result"] == {"kwh": 7}


def test_a_webhooks_ending_goes_before_a_polled_one_whichever_came_first(house: House, behind: Handler):
    told(house, "late", "acknowledged")
    Api(behind, {"late": answer("late", "cancelled")})
    reconciled(house, behind)
    before = states(house)

    house.send("energy", pushed("late", result={"ok": True}), key="m1")

    assert (before["late"], states(house)["late"]) == ("cancelled", "completed")


def test_what_was_polled_is_read_again_as_it_was():
    from adapters.providers import build, polled_body, polled_status, read_polled
    from tests.support.sources import source

    status = polled_status(json.dumps(answer("x", "failed", errorCode="E1")[1]).encode(), "x")
    assert status is not None
    body = polled_body("x", status, NOON)
    first = read_polled(body)

    again = reader(build(source("amps")))("push.failed", body)

    assert again == first
    assert first.data["error_code"] == "E1"  # type: ignore[union-attr]
    assert polled_status(b"[]", "x") is None
    assert polled_status(json.dumps(answer("y", "failed")[1]).encode(), "x") is None
    assert polled_status(json.dumps(answer("x", "deferred")[1]).encode(), "x") is None


@pytest.mark.parametrize(("status", "why"), [(401, "the key is refused (401)"), (500, "no answer, 3 times")])
def test_a_provider_that_does_not_answer_ends_the_round(small_house: House, behind: Handler, status, why):
    for action in ("a", "b", "c", "d"):
        told(small_house, action, "acknowledged")
    Api(behind, dict.fromkeys("abcd", (status, {})))

    (done,) = reconciled(small_house, behind)

    assert (done.stopped or "").startswith(why)
    assert done.learnt == {}


def test_a_round_of_a_service_goes_on_where_the_last_one_ended(small_house: House, behind: Handler):
    for action in ("a", "b", "c"):
        told(small_house, action, "acknowledged")
    api = Api(behind, {one: answer(one, "acknowledged") for one in "abc"})

    reconciled(small_house, behind, most=2, rounds=2)

    assert api.asked == ["a", "b", "c"]
