"""Who reads our output may have read enough: `hookfold … | head -1` ends without a word."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from adapters.config import load, write_template
from adapters.sql import Entry
from tests.support.launcher import launch
from wiring.opening import open_components

TO_NOBODY = """
import os
from app import main
read, write = os.pipe()
os.dup2(write, 1)
os.close(read)
main()
"""


@pytest.mark.parametrize(
    "words", ["export", "export --format states", "audit completeness", "audit completeness --json"]
)
def test_a_reader_that_is_gone_is_no_fault_of_the_database(
    elsewhere: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, words: str
):
    monkeypatch.setenv("HOOKFOLD_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("HOOKFOLD_CONFIG", str(elsewhere / "hookfold.toml"))
    write_template(elsewhere / "hookfold.toml")
    _receive({"sessionId": "scan", "sequence": 3, "event": "MEASUREMENT_STARTED", "timestamp": 1_700_000_000})

    with (elsewhere / "errors").open("wb") as errors:
        launch(TO_NOBODY, words.split(), os.environ, errors).wait(60)

    assert (elsewhere / "errors").read_bytes() == b""


def _receive(document: dict[str, Any]) -> None:
    """A log with a session in it that is not whole."""
    parts = open_components(load(None, os.environ))
    body, provider = json.dumps(document).encode(), parts.providers["clinic"]
    reading = provider.read(body)
    log = parts.log()
    log.append([Entry("clinic", 10**15, [], body, "file:x", provider.identity([], body, reading), reading, True)])
    log.close()
    parts.engine.dispose()
