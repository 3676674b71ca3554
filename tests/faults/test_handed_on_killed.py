"""Processes killed between any two steps of handing a webhook on, before the answer and behind it."""

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.faults.test_database_away import await_
from tests.support.handler import Handler, handler
from tests.support.house import start
from tests.support.service import Service, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the service's processes in /proc")

CONFIGURATION = """
[sources.proxied]
provider = "mentraos"
mode = "proxy"
forward_to = "{url}"

[sources.relayed]
provider = "mentraos"
mode = "relay"
forward_to = "{url}"
"""

DEATHS = """
import os, signal
from pathlib import Path
from adapters.server.handlers.forwarding import Forwarding
from adapters.server.handlers.relaying import Relaying
from adapters.sql import Outbox

def die_if(step):
    armed = Path({folder!r}, step)
    if armed.exists():
        armed.unlink()
        os.kill(os.getpid(), signal.SIGKILL)

def before(kind, name, step):
    real = getattr(kind, name)
    async def call(*given):
        die_if(step)
        return await real(*given)
    setattr(kind, name, call)

def turn(*given):
    taken = real_turn(*given)
    if given[2]:
        die_if("settled")
    return taken

async def record(*given):
    recorded = await real_record(*given)
    die_if("recorded")
    return recorded

before(Forwarding, "_forward", "committed")
before(Forwarding, "_record", "answered")
before(Relaying, "_attempt", "taken")
before(Relaying, "_settle", "delivered")
real_turn, real_record = Outbox.turn, Relaying._record
Outbox.turn, Relaying._record = turn, record
"""
"""Has a process kill itself at a step for which a file of that name was put there."""

BODIES = [json.dumps(start("ann", at=f"22:00:0{number}")).encode() for number in range(4)]


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    made = tmp_path / "steps"
    made.mkdir()
    return made


@pytest.fixture
def behind() -> Iterator[Handler]:
    with handler() as made:
        yield made


def test_every_webhook_reaches_its_handler_and_is_one_event_whichever_step_a_process_dies_at(
    database_url: str, tmp_path: Path, steps: Path, behind: Handler
):
    made, before = CONFIGURATION.format(url=behind.url), DEATHS.format(folder=str(steps))
    with running(database_url, tmp_path / "service", configuration=made, before=before) as service:
        for step, body in zip(("committed", "answered"), BODIES, strict=False):
            (steps / step).touch()
            await_(partial(_is_taken, service, "proxied", body))
            await_(lambda: not any(steps.iterdir()))
        handed = [behind.next().body for _ in range(behind.heard.qsize())]

        for step in ("taken", "delivered", "recorded", "settled"):
            (steps / step).touch()
        for body in BODIES:
            await_(partial(_is_taken, service, "relayed", body))
        await_(lambda: not any(steps.iterdir()) and service.get("/v1/relays")["data"] == [])
        delivered = [behind.next().body for _ in range(behind.heard.qsize())]
        listed = service.get("/v1/events?limit=100")["data"]

    assert _first_times(handed) == BODIES[:2]
    assert _first_times(delivered) == BODIES
    assert delivered == sorted(delivered, key=BODIES.index)
    assert _webhooks(listed, "proxied") == 2
    assert _webhooks(listed, "relayed") == 4


def _first_times(bodies: list[bytes]) -> list[bytes]:
    return list(dict.fromkeys(bodies))


def _webhooks(events: list[Any], source: str) -> int:
    return sum(one["source"] == source and one["type"] == "session_request" for one in events)


def _is_taken(service: Service, source: str, body: bytes) -> bool:
    """Whether it is answered, and well."""
    with suppress(OSError, HTTPException):
        return service.send("POST", f"/in/{source}/webhook", body).status == 200
    return False
