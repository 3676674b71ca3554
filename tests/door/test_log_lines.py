"""What a service logs while the door is used and abused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from adapters.sql import database_name
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


def test_a_line_tells_which_database_is_used_without_its_user_and_password(front: Service):
    (line,) = [line for line in lines_of(front) if line["event"] == "listening"]

    assert line["database"].startswith(("/", "postgresql://"))
    assert not re.search("[@?]", line["database"])


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:////srv/hookfold.db?timeout=3", "/srv/hookfold.db"),
        ("postgresql://ann:p%40ss@db.example.com:5433/hooks?options=-csearch_path%3Dx", "db.example.com:5433/hooks"),
        ("postgresql://ann:p%40ss@/hooks?host=/run/postgresql&password=word", "/run/postgresql/hooks"),
    ],
)
def test_a_database_is_named_without_what_is_secret_in_its_url(url: str, name: str):
    assert database_name(url).removeprefix("postgresql://") == name


def test_a_service_without_a_source_says_so_and_how_to_add_one(tmp_path: Path):
    with running(f"sqlite:///{tmp_path}/hookfold.db", tmp_path, configuration="") as service:
        (line,) = [line for line in lines_of(service) if line["event"] == "no_source"]

    assert line["mend"] == f"add [sources.NAME] with its provider to {tmp_path}/hookfold.toml"


def test_who_asks_for_no_source_is_logged_once_a_minute_by_the_shape_of_the_path(tmp_path: Path):
    with running(f"sqlite:///{tmp_path}/hookfold.db", tmp_path) as service:
        for path in ("/in/ann@example.com//webhook", "/in/captions/ann", "/in/a/b"):
            service.send("POST", path, b"{}")
        (line,) = [line for line in lines_of(service) if line["event"] == "no_such_source"]

    assert (line["path"], line["count"], line["level"]) == ("/in/*//webhook", 1, "warning")
    assert line["mend"] == (
        "POST to /in/NAME or /in/NAME/webhook with the name of a configured source: "
        "browser, captions, clinic, energy, older"
    )


def lines_of(service: Service) -> list[Any]:
    return [json.loads(line) for line in service.log.read_text().splitlines()]
