"""Sends messages to a service at a limited rate and counts the verdicts."""

import time
from collections import Counter
from collections.abc import Callable, Iterable

from adapters.simulator.message import Message
from adapters.simulator.sender import Answer, Sender

OnAnswer = Callable[[Message, Answer], None]


def play(sender: Sender, messages: Iterable[Message], rate: float, on_answer: OnAnswer) -> Counter[str]:
    """Sends all messages, at most `rate` per second (0: no limit). Returns the number of each verdict."""
    verdicts: Counter[str] = Counter()
    started = time.monotonic()
    for number, message in enumerate(messages):
        if rate:
            time.sleep(max(0.0, started + number / rate - time.monotonic()))
        answer = sender.send(message)
        verdicts[answer.verdict] += 1
        on_answer(message, answer)
    return verdicts
