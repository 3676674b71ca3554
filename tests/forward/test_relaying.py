"""What a relayed source sends is answered by us and delivered behind that: at least once, in its stream's order."""

import asyncio
import json
import time

import pytest
from standardwebhooks import Webhook
from structlog.testing import capture_logs

from adapters.providers import sign_svix
from adapters.server.handlers import backoff, handler, relaying
from adapters.sql import Outbox, Unavailable
from tests.support.handler import FINE, Handler
from tests.support.house import SECRET, House, pushed, start, stop, wms
from tests.support.receivers import svix_webhook
from tests.support.relayed import Relay, to_relay
from wiring.components import now

HOUR = 3_600_000_000
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n" + b"x" * 21
FAILS = b"HTTP/1.1 500 Oh\r\nConnection: close\r\nContent-Length: 5\r\n\r\nsorry"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(backoff, "FIRST", 2)
    monkeypatch.setattr(relaying, "GAP", 0.001)


def waiting(house: House) -> int:
    with house.engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM relays WHERE dead_at IS NULL").scalar_one())


def delivered(house: House, behind: Handler, *sources: str, **more) -> None:
    asyncio.run(Relay(house, behind.url, *sources, **more).until(lambda: not waiting(house)))


def test_it_goes_on_as_it_came_and_the_session_knows(house: House, behind: Handler):
    document = start("ann")
    to_relay(house, "captions", document, target="/webhook?x=1")

    delivered(house, behind, "captions")

    heard = behind.next()
    assert heard.first == b"POST /webhook?x=1 HTTP/1.1"
    assert heard.body == json.dumps(document).encode()
    assert (heard.headers[b"hookfold-verdict"], heard.headers[b"hookfold-position"]) == (b"new", b"1")
    request, outcome = house.get("/v1/events")["data"]
    assert (outcome["type"], outcome["session_id"]) == ("handler_succeeded", request["session_id"])
    told = house.get("/v1/events/2")["data"]
    assert (told["status"], told["attempts"], told["key"]) == (200, 1, request["key"])


def test_one_that_fails_is_tried_again_and_told_once(house: House, behind: Handler):
    answers = iter([FAILS, FAILS, FINE])
    behind.answer = lambda connection: connection.sendall(next(answers))
    to_relay(house, "captions", start("ann"))

    delivered(house, behind, "captions")

    assert behind.heard.qsize() == 3
    _, outcome = house.get("/v1/events")["data"]
    assert (outcome["type"], house.get("/v1/events/2")["data"]["attempts"]) == ("handler_succeeded", 3)


def test_one_that_fails_for_too_long_is_dead_and_what_is_behind_it_goes_on(house: House, behind: Handler):
    answers = iter([FAILS, FINE])
    behind.answer = lambda connection: connection.sendall(next(answers))
    to_relay(house, "captions", start("ann"))
    to_relay(house, "captions", stop("ann"))

    with capture_logs() as lines:
        delivered(house, behind, "captions", retry_for=0)

    assert [json.loads(behind.next().body)["type"] for _ in range(2)] == ["session_request", "stop_request"]
    types = [one["type"] for one in house.get("/v1/events")["data"]]
    assert types == ["session_request", "stop_request", "handler_failed", "handler_succeeded"]
    (dead,) = house.get("/v1/relays", state="dead")["data"]
    (line,) = [line for line in lines if line["event"] == "not_relayed"]
    assert (line["source"], line["reason"], line["position"], line["count"]) == ("captions", "status 500", 1, 1)
    assert "example.com" not in json.dumps(line)
    assert (dead["position"], dead["status"], dead["state"], dead["attempts"]) == (1, 500, "dead", 1)
    assert dead["stream"] == house.get("/v1/sessions")["data"][0]["id"]
    assert dead["reason"] == "given up after 1 attempt; the handler answered the last one with 500"


@pytest.mark.parametrize("failure", ["unsendable", "oversized"])
def test_what_would_fail_every_time_is_dead_at_once_and_what_is_behind_it_goes_on(
    small_house: House, behind: Handler, monkeypatch, failure: str
):
    answers = iter([LONG, FINE] if failure == "oversized" else [FINE])
    behind.answer = lambda connection: connection.sendall(next(answers))
    monkeypatch.setattr(handler, "MOST_ANSWER", 20)
    first = small_house.entry("captions", start("ann"))
    first.headers, first.relay = [("x-trace", "a\0b")] if failure == "unsendable" else [], "/webhook"
    small_house.log.append([first])
    to_relay(small_house, "captions", stop("ann"))

    delivered(small_house, behind, "captions")

    (dead,) = small_house.get("/v1/relays", state="dead")["data"]
    assert (dead["position"], dead["attempts"], dead["failure"]) == (1, 1, failure)
    assert dead["reason"].startswith(f"given up after 1 attempt; the last one failed: {failure}")
    types = [one["type"] for one in small_house.get("/v1/events")["data"]]
    assert types == ["session_request", "stop_request", "handler_failed", "handler_succeeded"]


def test_what_signs_a_time_is_signed_anew_with_the_same_id(small_house: House, behind: Handler):
    document = pushed("a")
    body = json.dumps(document).encode()
    long_ago = sign_svix(SECRET, "msg_1", 1_600_000_000, body)
    entry = small_house.entry("energy", document, "msg_1")
    entry.headers, entry.relay = [*long_ago.items(), ("content-type", "application/json")], ""
    small_house.log.append([entry])

    delivered(small_house, behind, "energy")

    heard = behind.next()
    headers = {name.decode(): value.decode() for name, value in heard.headers.items()}
    svix_webhook(SECRET).verify(heard.body, headers)
    standard = {name.replace("svix-", "webhook-"): value for name, value in headers.items()}
    Webhook(SECRET).verify(heard.body.decode(), standard)
    assert headers["svix-id"] == "msg_1"
    assert int(headers["svix-timestamp"]) > time.time() - 60
    assert headers["content-type"] == "application/json"
    (*_, own) = small_house.get("/v1/events")["data"]
    assert (own["source"], own["type"]) == ("hookfold", "forwarded")


def test_a_handler_says_when_to_come_again(small_house: House, behind: Handler):
    behind.answer = b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n"
    to_relay(small_house, "captions", start("ann"))

    async def once() -> None:
        relay = Relay(small_house, behind.url, "captions")
        await relay.until(lambda: small_house.get("/v1/relays")["data"][0]["attempts"] == 1)

    before = time.time()
    asyncio.run(once())

    summary = small_house.get("/v1/relays/summary")["data"]
    (captions,) = [one for one in summary if one["waiting"]]
    assert captions["source"] == "captions"
    (row,) = small_house.get("/v1/relays", source="captions")["data"]
    assert (row["state"], row["status"], row["reason"]) == ("waiting", 503, None)
    (stored,) = small_house.api.reads.relays(["captions"], 0, 1, dead=False)
    assert (stored.due or 0) > (before + 119) * 1_000_000


def test_a_lease_begins_once_the_database_is_there_again(small_house: House, behind: Handler, monkeypatch):
    monkeypatch.setattr(relaying, "AWAY", 0.001)
    to_relay(small_house, "captions", start("ann"))
    outage, other, taken = Outage(), Outbox(small_house.engine, "other"), []

    def meanwhile(connection) -> None:
        at = outage.clock()
        taken.extend(other.turn("captions", [], 8, at, at + HOUR).taken)
        connection.sendall(FINE)

    behind.answer = meanwhile

    relay = Relay(small_house, behind.url, "captions")
    outage.strike(relay.relays[0])
    asyncio.run(relay.until(lambda: not waiting(small_house) or bool(taken)))

    assert (outage.over, taken) == (True, [])


class Outage:
    """The database is away for an hour, from the second question on."""

    def __init__(self) -> None:
        self._asked = 0
        self.over = False

    def clock(self) -> int:
        return now() + HOUR * self.over

    def strike(self, one: relaying.Relaying) -> None:
        self._ask, one._ask, one._clock = one._ask, self.ask, self.clock

    async def ask(self, *question):
        self._asked += 1
        if self._asked == 2:
            self.over = True
            raise Unavailable("it is away")
        return await self._ask(*question)


def test_who_is_killed_between_any_two_steps_loses_nothing_and_keeps_the_order(house: House, behind: Handler):
    """Every life ends one step later, until one lives to the end; the next one goes on in its place."""
    for last_step in range(100):
        name = f"ann{last_step}"
        sent = [to_relay(house, "clinic", wms(name, number)) for number in range(3)]
        answers = iter([FINE, FAILS])
        behind.answer = lambda connection, answers=answers: connection.sendall(next(answers, FINE))
        killed = asyncio.run(killed_behind(house, behind, last_step))
        delivered(house, behind, "clinic")

        heard = [int(behind.next().headers[b"hookfold-position"]) for _ in range(behind.heard.qsize())]
        assert list(dict.fromkeys(heard)) == sent
        assert heard == sorted(heard)
        told = [house.get(f"/v1/events/{one['position']}") for one in house.get("/v1/events", after=sent[-1])["data"]]
        assert {one["data"]["position"] for one in told} == set(sent)
        if not killed:
            return
    pytest.fail("no life reached its end")


async def killed_behind(house: House, behind: Handler, last_step: int) -> bool:
    """Whether it was killed, before everything was delivered."""
    killed, steps = asyncio.Event(), iter(range(1_000))

    async def step() -> None:
        if next(steps) >= last_step:
            killed.set()
            await asyncio.Event().wait()

    await Relay(house, behind.url, "clinic", step=step).until_killed(killed, lambda: not waiting(house))
    return killed.is_set()
