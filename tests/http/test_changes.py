"""`/v1/sessions/stream` of a running service: states as they change, and the rest for who comes back."""

import pytest

from tests.support.logs import wms
from tests.support.service import Service
from tests.support.services import BACKENDS, Services
from tests.support.sse import Stream

SESSIONS = "/v1/sessions/stream"


@pytest.fixture(params=[f"serve-{backend}" for backend in BACKENDS])
def service(request: pytest.FixtureRequest, services: Services) -> Service:
    return services[request.param]


def test_a_change_is_told_when_it_comes_and_what_came_meanwhile_to_who_comes_back(service: Service):
    first = _send(service, "changes-a", 0)

    with Stream(service.port, f"?after={first - 1}", path=SESSIONS) as stream:
        (seen,) = stream.take(1)
        second = _send(service, "changes-b", 0)
        (told,) = stream.take(1)
    for number in range(1, 4):
        _send(service, "changes-a", number)
    last = _send(service, "changes-c", 0)
    with Stream.back(service.port, "", told.id, SESSIONS) as stream:
        rest = stream.take(2)
    with Stream.back(service.port, f"?after={first - 1}&session_id=changes-b", None, SESSIONS) as stream:
        (one,) = stream.take(1)

    assert (seen.id, seen.data["session_id"]) == (first, "changes-a")
    assert (told.id, told.data["session_id"]) == (second, "changes-b")
    assert [(change.id, change.data["session_id"]) for change in rest] == [(last - 1, "changes-a"), (last, "changes-c")]
    assert rest[0].data["events"] == 4
    assert (one.id, one.data["session_id"]) == (second, "changes-b")


def _send(service: Service, session: str, number: int) -> int:
    return int(service.wms(wms(session, number)).headers["hookfold-position"])
