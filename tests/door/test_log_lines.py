"""What a service logs while the door is used and abused."""

import json

from tests.support.raw import exchange, request
from tests.support.service import Service


def test_every_line_is_json_and_holds_nothing_of_a_delivery(front: Service, name: str):
    secret = f"ann-{name}@example.com"
    for headers in ([("User-Agent", f"{secret} a\x85b")], [("X-WMS-Content-MAC", secret)], [("Svix-Id", secret)]):
        for path in ("/in/clinic", "/in/energy", "/in/captions", f"/in/{secret}", f"/v1/sessions?user_id={secret}"):
            exchange(front.port, request(path, secret.encode(), headers), end=True)

    lines = [json.loads(line) for line in front.log.read_text().splitlines()]
    assert all({"event", "level", "at"} <= line.keys() for line in lines)
    assert "ann" not in front.log.read_text()
