"""What a service logs while the door is used and abused."""

import json
from pathlib import Path
from typing import Any

from tests.support.raw import exchange, request
from tests.support.service import Service, running


def test_every_line_is_json_and_holds_nothing_of_a_delivery(front: Service, name: str):
    secret = f"ann-{name}@example.com"
    for headers in ([("User-Agent", f"{secret} a\x85b")], [("X-WMS-Content-MAC", secret)], [("Svix-Id", secret)]):
        for path in ("/in/clinic", "/in/energy", "/in/captions", f"/in/{secret}", f"/v1/sessions?user_id={secret}"):
            exchange(front.port, request(path, secret.encode(), headers), end=True)

    lines = lines_of(front)
    assert all({"event", "level", "at"} <= line.keys() for line in lines)
    assert "ann" not in front.log.read_text()


def test_a_line_tells_where_the_service_listens(front: Service):
    (line,) = [line for line in lines_of(front) if line["event"] == "listening"]

    assert (line["host"], line["port"]) == ("127.0.0.1", front.port)


def test_a_service_without_a_source_says_so_and_how_to_add_one(tmp_path: Path):
    with running(f"sqlite:///{tmp_path}/hookfold.db", tmp_path, configuration="") as service:
        (line,) = [line for line in lines_of(service) if line["event"] == "no_source"]

    assert line["mend"] == f"add [sources.NAME] with its provider to {tmp_path}/hookfold.toml"


def lines_of(service: Service) -> list[Any]:
    return [json.loads(line) for line in service.log.read_text().splitlines()]
