"""Amps is asked how its actions are that no webhook has ended; its webhook's word stays before what it answered."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from adapters.config import Settings, load
from adapters.providers import reader
from adapters.server import ActionApi, Reconciled, Reconciliation, Reconciling
from adapters.sql import Code, Entry, LiveAction, Reads, Receipt
from tests.support.handler import Handler
from tests.support.house import NOON, SECOND, House, pushed
from wiring.components import ProcessInput
from wiring.forwarding import renew_background
from wiring.renewing import left_for_restart, with_secrets_of

ENERGY = """
[sources.energy]
provider = "amps"
secrets = ["env:AMPS_SECRET"]
api_key = "file:key"
"""
FAR = NOON + 3_600 * SECOND


class Api:
    """Amps' side: what it answers about each action, by status and document."""

    def __init__(self, behind: Handler, answers: dict[str, tuple[int, Any]]) -> None:
        self.asked: list[str] = []
        self.key = b"a key"
        self._answers = answers
        self._behind = behind
        behind.answer = self._answer

    def _answer(self, connection: socket.socket) -> None:
        heard = self._behind.heard.get()
        assert heard.headers[b"x-api-key"] == self.key
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


def reconciled(
    house: House,
    behind: Handler,
    most: int | None = None,
    rounds: int = 1,
    apart: int = 0,
    commit: Callable[[Entry], Awaitable[Receipt | None]] | None = None,
) -> list[Reconciled]:
    """Of rounds so many microseconds apart."""

    async def go() -> list[Reconciled]:
        reads = Reads(house.engine)
        current = reads.current(Code(house.ids, house.code.sources))

        async def find(after: int, heard_before: int, limit: int) -> Any:
            assert current.is_built()
            return reads.live_actions("energy", current.versions, after, heard_before, limit)

        async def into_the_log(entry: Entry) -> Receipt | None:
            return house.log.append([entry])[0]

        api = ActionApi(f"{behind.url}/v2", "a key")
        now = FAR
        made = Reconciliation("energy", api, find, commit or into_the_log, lambda: now, gap=0)
        done = []
        for hour in range(rounds):
            now = FAR + hour * apart
            done.append(await made.round(most))
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


@pytest.mark.parametrize(
    ("pause", "asked", "learnt", "stopped"),
    [(1, 2, {"cancelled": 1}, None), (61, 1, {}, "too many questions (429)")],
)
def test_a_pause_of_a_minute_that_the_provider_asks_for_is_made_and_a_longer_one_ends_the_round(
    small_house: House, behind: Handler, pause: int, asked: int, learnt: dict[str, int], stopped: str | None
):
    told(small_house, "a", "acknowledged")
    body = json.dumps(answer("a", "cancelled")[1]).encode()
    answers = iter(
        [
            b"HTTP/1.1 429 X\r\nRetry-After: %d\r\nContent-Length: 0\r\n\r\n" % pause,
            b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body,
        ]
    )
    behind.answer = lambda connection: connection.sendall(next(answers))

    (done,) = reconciled(small_house, behind)

    assert (done.learnt, done.stopped) == (learnt, stopped)
    assert behind.heard.qsize() == asked


def test_a_round_of_a_service_goes_on_where_the_last_one_ended(small_house: House, behind: Handler):
    for action in ("a", "b", "c"):
        told(small_house, action, "acknowledged")
    api = Api(behind, {one: answer(one, "acknowledged") for one in "abc"})

    reconciled(small_house, behind, most=2, rounds=2)

    assert api.asked == ["a", "b", "c"]


def test_what_tells_of_an_earlier_state_than_the_log_knows_is_no_event(house: House, behind: Handler):
    for action in ("a", "b"):
        told(house, action, "scheduled")
    Api(behind, {"a": answer("a", "acknowledged"), "b": answer("b", "completed")})

    first, second = reconciled(house, behind, rounds=2, apart=3_600 * SECOND)

    assert (first.asked, first.learnt, first.unchanged) == (2, {"completed": 1}, 1)
    assert (second.asked, second.learnt, second.unchanged) == (1, {}, 1)
    (action,) = house.get("/v1/actions", action_id="a")["data"]
    assert (action["state"], action["events"], action["anomalies"]) == ("scheduled", 1, [])


def test_an_answer_with_a_lone_surrogate_is_an_event_like_any_other(house: House, behind: Handler):
    for action in ("a", "b"):
        told(house, action, "acknowledged")
    Api(behind, {"a": answer("a", "completed", result="\ud800é"), "b": answer("b", "completed")})

    (done,) = reconciled(house, behind)

    assert (done.learnt, done.failed) == ({"completed": 2}, 0)
    (action,) = house.get("/v1/actions", action_id="a")["data"]
    assert action["result"] == "\\ud800é"


def test_a_fault_of_ours_over_one_action_is_logged_and_ends_no_round(small_house: House, behind: Handler):
    for action in ("a", "b", "c"):
        told(small_house, action, "acknowledged")
    Api(behind, {one: answer(one, "completed") for one in "abc"})

    async def commit(entry: Entry) -> Receipt | None:
        if b'"b"' in entry.body:
            raise LookupError("what somebody sent")
        return small_house.log.append([entry])[0]

    with capture_logs() as lines:
        (done,) = reconciled(small_house, behind, commit=commit)

    assert (done.learnt, done.failed, done.stopped) == ({"completed": 2}, 1, None)
    (line,) = lines
    assert (line["event"], line["source"], line["opened"], line["exc_info"]) == ("reconcile_failed", "energy", 2, True)
    assert "report" in line["mend"]


def test_an_answer_that_was_not_committed_is_asked_for_again(small_house: House, behind: Handler):
    for action in ("a", "b"):
        told(small_house, action, "acknowledged")
    api = Api(behind, {one: answer(one, "completed") for one in "ab"})
    refused = [True]

    async def commit(entry: Entry) -> Receipt | None:
        if b'"b"' in entry.body and refused:
            refused.clear()
            return None
        return small_house.log.append([entry])[0]

    first, second = reconciled(small_house, behind, rounds=2, commit=commit)

    assert api.asked == ["a", "b", "b"]
    assert first.stopped == "the log could not commit what was learnt"
    assert (first.learnt, second.learnt) == ({"completed": 1}, {"completed": 1})


@pytest.mark.parametrize(("url", "key", "left"), [("", b"another", []), ("/v3", b"a key", ["sources.energy"])])
def test_a_key_that_was_written_anew_is_asked_with_after_a_reload_unless_its_api_is_another_one(
    small_house: House, behind: Handler, tmp_path: Path, url: str, key: bytes, left: list[str]
):
    def read(key: str, url: str = "") -> Settings:
        (tmp_path / "key").write_text(key)
        (tmp_path / "hookfold.toml").write_text(ENERGY + f'api_url = "{behind.url}/v2{url}"\n')
        return load(tmp_path / "hookfold.toml", {"AMPS_SECRET": "whsec_" + "c2VjcmV0" * 4, "HOOKFOLD_DATABASE_URL": ""})

    running, found = read("a key"), read("another", url)
    taken = with_secrets_of(running, found)
    told(small_house, "a", "acknowledged")
    api = Api(behind, {"a": answer("a", "completed")})
    api.key = key

    async def round_() -> Reconciled:
        polling = running.sources["energy"].polling
        assert polling is not None
        made = Reconciliation(
            "energy", ActionApi(polling.url, polling.key.value), one_action, committed_nowhere, lambda: FAR, gap=0
        )
        renew_background([Reconciling(made, 60)], ProcessInput(taken, None, {}, read_only=False, holder=""))
        done = await made.round(1)
        await made.api.close()
        return done

    assert asyncio.run(round_()).unanswered == 0
    assert (api.asked, left_for_restart(taken, found)) == (["a"], left)


async def one_action(after: int, _before: int, _limit: int) -> list[LiveAction]:
    return [LiveAction(1, "a", "acknowledged")] if after == 0 else []


async def committed_nowhere(_: Entry) -> Receipt | None:
    return Receipt("new", 1)


def test_a_round_that_fails_is_logged_and_the_next_one_is_made():
    class Broken:
        source = "energy"

        def __init__(self) -> None:
            self.api = self
            self.rounds = 0

        async def round(self, _: int) -> Reconciled:
            self.rounds += 1
            if self.rounds == 1:
                raise LookupError("what somebody sent")
            work.stop()
            await asyncio.Event().wait()
            raise AssertionError

        async def close(self) -> None:
            self.source = "closed"

    broken = Broken()
    work = Reconciling(cast("Reconciliation", broken), 0.001)

    with capture_logs() as lines:
        asyncio.run(work.run())

    assert (broken.rounds, broken.source) == (2, "closed")
    (line,) = lines
    assert (line["event"], line["source"], line["exc_info"]) == ("reconcile_failed", "energy", True)
    assert "report" in line["mend"]
