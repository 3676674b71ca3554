"""Who sends too much waits; who is who, is told by proxies that are trusted only."""

from ipaddress import ip_network
from typing import Any, cast

import pytest

from adapters.config import Rate
from adapters.server import Front, Limits
from adapters.server.http11.reader import Request
from adapters.server.limits import MOST_PEERS, Buckets

PROXIES = [ip_network("127.0.0.1"), ip_network("10.0.0.0/8")]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_as_many_as_the_rate_says_come_at_once_and_more_come_evenly(clock: Clock):
    buckets = Buckets(Rate(3, 60), clock)

    assert [buckets.wait("ann") for _ in range(4)] == [0, 0, 0, pytest.approx(20)]
    assert buckets.wait("bob") == 0
    clock.now = 20
    assert buckets.wait("ann") == 0
    assert buckets.wait("ann") == pytest.approx(20)


def test_memory_is_bounded_however_many_come(clock: Clock):
    buckets = Buckets(Rate(1, 60), clock)

    for number in range(MOST_PEERS + 5):
        buckets.wait(str(number))

    assert len(buckets._full_at) == MOST_PEERS
    assert buckets.wait(str(MOST_PEERS)) > 0


@pytest.mark.parametrize(
    ("peer", "told", "name"),
    [
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "203.0.113.9, 198.51.100.7, 10.1.2.3", "198.51.100.7"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("::ffff:127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("2001:db8::1", "", "2001:db8::/64"),
        ("127.0.0.1", "x" * 500, "x" * 64),
    ],
)
def test_a_peer_is_the_last_address_that_no_trusted_proxy_has(peer: str, told: str, name: str):
    limits = Limits(Rate(1, 60), {}, PROXIES)

    assert limits._name(peer, [("x-forwarded-for", told)] if told else []) == name


def test_a_sender_and_a_reader_are_told_each_in_their_own_words_when_to_come_again():
    answers: list[Any] = []
    nobody = cast(Any, None)
    front = Front(nobody, nobody, nobody, limits=Limits(Rate(1, 3600), {}))
    front._limits.refusal_of_peer("192.0.2.1", "/x", [])

    for target in ("/in/clinic", "/v1/sessions", "/healthz"):
        front.answer(Request("GET", target, "1.1", [], b"", last=False, peer="192.0.2.1"), answers.append)

    assert [answer.status for answer in answers] == [429, 429, 200]
    assert [dict(answer.headers).get("retry-after") for answer in answers] == ["3600", "3600", None]
    assert b'"status":"error"' in answers[0].body
    assert dict(answers[1].headers)["content-type"] == "application/problem+json"


def test_what_comes_for_one_source_is_limited_whoever_sends_it():
    limits = Limits(None, {"clinic": Rate(1, 60)})

    assert limits.refusal_of_peer("192.0.2.1", "/in/clinic", []) is None
    assert limits.refusal_of_source("clinic", "/in/clinic") is None
    refusal = limits.refusal_of_source("clinic", "/in/clinic")
    assert refusal is not None
    assert refusal.status == 429
    assert limits.refusal_of_source("energy", "/in/energy") is None
