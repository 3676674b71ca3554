"""The traffic that is measured with is whole, signed, and mixed as real visitors mix it."""

import json
from collections import defaultdict
from functools import partial
from itertools import islice

from adapters.providers.port import Verified
from bench.measure import interleaved
from bench.traffic import SECRET, STEPS, Traffic
from tests.support.deliveries import wms


def test_every_session_is_told_from_its_first_event_to_its_last_though_the_traffic_is_closed_in_the_middle():
    traffic = Traffic("t", at_once=20)
    messages = iter(traffic)
    sent = list(islice(messages, 500))
    traffic.close()
    sent += messages

    sequences = defaultdict(list)
    for message in sent:
        sequences[message.session].append(message.sequence)

    assert len(sequences) == traffic.sessions > 20
    assert all(numbers == list(range(len(STEPS))) for numbers in sequences.values())


def test_no_two_events_of_a_session_are_near_one_another():
    sessions = [message.session for message in islice(Traffic("t", at_once=20), 100, 300)]

    assert all(len(set(sessions[at : at + 15])) == 15 for at in range(180))


def test_each_message_is_signed_and_its_request_carries_it():
    message = next(iter(Traffic("t")))

    head, _, body = message.request.partition(b"\r\n\r\n")

    assert isinstance(wms(SECRET).verify(message.headers, body, 0), Verified)
    assert body == message.body
    assert json.loads(body)["sessionId"] == message.session
    assert len(message.request) - message.size == len(head.partition(b"\r\n")[0]) + 4


def test_every_contender_has_its_turn_in_every_round_and_none_is_always_first():
    turns: list[str] = []

    taken = interleaved(3, {name: partial(turns.append, name) for name in "abc"})

    assert turns == list("abcbcacab")
    assert {name: len(values) for name, values in taken.items()} == {"a": 3, "b": 3, "c": 3}
