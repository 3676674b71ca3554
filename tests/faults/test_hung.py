"""A process that hangs does not die: its senders are told in time, and it is started anew."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.support.logs import wms
from tests.support.service import Service, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the service's processes in /proc")


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Service]:
    with running(database_url, tmp_path / "service") as service:
        yield service


def test_senders_of_a_writer_that_hangs_get_a_503_before_they_give_up_and_it_is_started_anew(service: Service):
    assert service.wms(wms("s", 0)).status == 200
    (hung,) = service.children()["writer"]
    os.kill(hung, signal.SIGSTOP)
    began = time.monotonic()

    answer = service.wms(wms("s", 1))

    assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    assert time.monotonic() - began < 8
    await_anew(service, "writer", hung)
    assert service.wms(wms("s", 1)).headers["hookfold-verdict"] in {"new", "duplicate"}
    assert service.get("/v1/sessions?session_id=s")["data"][0]["events"] == 2
    assert '"reason": "it gave no sign of life"' in service.log.read_text()


def test_a_serving_process_that_hangs_is_started_anew(service: Service):
    (hung,) = service.children()["server"]
    os.kill(hung, signal.SIGSTOP)

    await_anew(service, "server", hung)

    assert service.wms(wms("s", 0)).status == 200


def await_anew(service: Service, kind: str, hung: int) -> None:
    """Returns once another process does the work of the one that hung."""
    deadline = time.monotonic() + 150
    while hung in service.children()[kind] or not _ready(service):
        assert time.monotonic() < deadline, service.log.read_text()
        time.sleep(0.1)


def _ready(service: Service) -> bool:
    try:
        return service.send("GET", "/readyz").status == 200
    except (OSError, HTTPException):
        return False
