"""Send, then verify: what was acknowledged is in the log exactly once, and every state is right."""

from collections import Counter

from bench.asking import Asking
from bench.sender import Sender
from bench.traffic import FINAL, SOURCE

SENT_AGAIN = 200


def verify(sender: Sender) -> str:
    """Ends the sessions, sends the last events again, looks all ids up; tells what was found. Raises AssertionError."""
    sender.finish(16)
    sender.again(SENT_AGAIN)
    _hold(sender.refused == 0, f"{sender.refused} deliveries were not answered with 200")
    with Asking(sender.server.port) as asking:
        events = _check_events(sender, asking)
        sessions = _check_sessions(sender, asking)
    return f"{events} events exactly once, {sessions} sessions in their final state"


def _check_events(sender: Sender, asking: Asking) -> int:
    sent = Counter((message.session, message.sequence) for message in sender.sent)
    found = Counter(
        (event["session_id"], event["sequence"]) for event in asking.pages(f"/v1/events?limit=100&source={SOURCE}")
    )
    _hold(found == sent, f"{len(sent - found)} events are lost, {len(found - sent)} were never sent or are there twice")
    return len(found)


def _check_sessions(sender: Sender, asking: Asking) -> int:
    """Events that overtook each other on two connections are told as `late`, which is no error: the state is right."""
    found = {session["session_id"]: session for session in asking.pages(f"/v1/sessions?limit=100&source={SOURCE}")}
    names = {message.session for message in sender.sent}
    _hold(found.keys() == names, f"{len(names)} sessions were sent, {len(found)} are there")
    for name, session in found.items():
        state = (session["state"], session["outcome"], session["events"])
        _hold(state == FINAL, f"{name} is {state}, not {FINAL}")
        other = [anomaly for anomaly in session["anomalies"] if anomaly["kind"] != "late"]
        _hold(not other, f"{name} has {other}")
    return len(found)


def _hold(right: bool, otherwise: str) -> None:
    if not right:
        raise AssertionError(otherwise)
