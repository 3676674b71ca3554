"""Connections to a handler: kept for the next request, unless the handler closes them, and each costs the same."""

import asyncio
import cProfile
import datetime as dt
import gc
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.server import Handler as Asked
from adapters.server import Target
from adapters.server.handlers.answer_reader import AnswerReader
from adapters.server.handlers.handler import RecordedRequest
from adapters.server.handlers.handler_connections import misleads
from tests.support.handler import FINE, PATIENCE, Handler
from wiring.components import now


def ask(
    behind: Handler, together: int, times: int = 1, own: tuple[str, int] | None = None, url: str | None = None
) -> list[Any]:
    """What became of so many requests at once, so many times."""
    target = Target(url or behind.url, PATIENCE, 1_000, observe=False, beside=frozenset(), session=False)

    async def run() -> list[Any]:
        asked = Asked(target, now, own)
        loop, outcomes = asyncio.get_running_loop(), []
        for _ in range(times):
            until = loop.time() + PATIENCE
            requests = (asked.deliver(RecordedRequest("", [], b"{}"), [], until) for _ in range(together))
            outcomes += [outcome for outcome, _ in await asyncio.gather(*requests)]
        await asked.close()
        return outcomes

    return asyncio.run(run())


def calls(behind: Handler, together: int) -> float:
    """Calls of functions for each of so many requests at once."""
    with cProfile.Profile() as profile:
        ask(behind, together)
    return sum(one.callcount for one in profile.getstats()) / together


def test_many_at_once_cost_no_more_each_than_few(behind: Handler):
    ask(behind, 1)  # the first one pays for imports

    few, many = calls(behind, 10), calls(behind, 100)

    assert many < 1.2 * few


def test_a_connection_is_kept_for_the_next_request_and_one_that_the_handler_closed_is_not(behind: Handler):
    outcomes = ask(behind, 1, times=3)
    behind.answer = FINE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    outcomes += ask(behind, 2, times=3)

    assert [outcome.status for outcome in outcomes] == [200] * 9


def test_what_was_asked_is_freed_without_a_look_for_cycles(behind: Handler):
    ask(behind, 1)
    gc.collect()
    gc.disable()
    try:
        ask(behind, 1, times=5)
        left = [one for one in gc.get_objects() if isinstance(one, AnswerReader)]
    finally:
        gc.enable()

    assert left == []


def test_a_handler_that_turns_out_to_be_this_service_itself_gets_nothing(behind: Handler):
    outcomes = [ask(behind, 1, own=own)[0] for own in (("127.0.0.1", behind.port), ("0.0.0.0", behind.port))]

    assert [outcome.failure for outcome in outcomes] == ["misled"] * 2
    assert behind.heard.empty()
    assert ask(behind, 1, own=("127.0.0.2", behind.port))[0].status == 200


def certificate(folder: Path) -> Path:
    """A file with a key, and what says that it is localhost's."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=localhost")
    from_then, until = (dt.datetime.now(dt.UTC) + dt.timedelta(days=days) for days in (-1, 1))
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, from_then, until)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "localhost.pem"
    file.write_bytes(key.private_bytes(*form) + made.sign(key, hashes.SHA256()).public_bytes(form[0]))
    return file


@pytest.fixture
def secured(behind: Handler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The same handler's URL by https; whom this machine trusts is in a file of the test's."""
    file = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)

    def serve(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with suppress(OSError):
                    behind.serve(context.wrap_socket(connection, server_side=True))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = Thread(target=serve, args=(listening,), daemon=True)
        serving.start()
        yield f"https://localhost:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        serving.join(PATIENCE)


def test_a_handler_is_asked_by_https_where_somebody_vouches_for_its_name(
    behind: Handler, secured: str, monkeypatch: pytest.MonkeyPatch
):
    vouched = ask(behind, 1, times=2, url=secured)
    heard = behind.heard.qsize()
    another_name = ask(behind, 1, url=secured.replace("localhost", "127.0.0.1"))
    monkeypatch.delenv("SSL_CERT_FILE")
    unknown = ask(behind, 1, url=secured)

    assert [one.status for one in vouched] == [200, 200]
    assert [one.failure for one in (*another_name, *unknown)] == ["unreachable"] * 2
    assert behind.heard.qsize() == heard == 2


@pytest.mark.parametrize(
    ("host", "theirs", "misled"),
    [
        ("handler.example.com", "10.0.0.7", False),
        ("handler.example.com", "192.168.1.2", False),
        ("handler.example.com", "fd00::7", False),
        ("handler.example.com", "203.0.113.7", False),
        ("handler.example.com", "169.254.169.254", True),
        ("handler.example.com", "fe80::1", True),
        ("handler.example.com", "::ffff:169.254.169.254", True),
        ("handler.example.com", "224.0.0.1", True),
        ("169.254.7.7", "169.254.7.7", False),
    ],
)
def test_a_name_may_lead_to_a_private_address_and_not_to_one_of_the_link(host: str, theirs: str, misled: bool):
    assert misleads(host, 3000, "10.0.0.1", theirs, ("127.0.0.1", 8400)) is misled
