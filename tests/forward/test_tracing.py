"""Spans of deliveries: what came, its commit in another process, its way to the handler; and nothing that was sent."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, cast

import pytest
from msgspec.structs import replace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from adapters.http import Door
from adapters.server import Forwarding, Front, Link, Target
from adapters.server import Handler as Asked
from adapters.server.http11.reader import Request
from adapters.tracing import load, started
from adapters.tracing.spans import OpenTelemetrySpans
from adapters.tracing.switch import is_wanted
from tests.support.handler import Handler, handler
from tests.support.house import House, start
from tests.support.relayed import Relay
from tests.support.service import running
from tests.support.writing import connecting
from wiring.components import now

PATIENCE = 20.0
SENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = int(SENT.split("-")[1], 16)
HEADERS = [("content-type", "application/json"), ("traceparent", SENT), ("x-who", "ann@example.com")]
BODY = json.dumps(start("ann@example.com")).encode()
FAILS = b"HTTP/1.1 500 Oh\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
CONFIGURATION = """
[sources.captions]
provider = "mentraos"
mode = "proxy"
forward_to = "{url}"
"""


class Traced:
    """Spans that are kept here as soon as they end."""

    def __init__(self, **more: Any) -> None:
        self._kept = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False, **more)
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        self.spans = OpenTelemetrySpans(provider)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._kept.get_finished_spans() if span.name == name]

    @property
    def told(self) -> str:
        """All that they tell."""
        return "".join(span.to_json() for span in self._kept.get_finished_spans())


def delivered(house: House, traced: Traced, behind: Handler | None, *bodies: bytes) -> list[Any]:
    """What webhooks of the glasses that come together are answered with, by a front, a writer and a handler."""
    answers: list[Any] = []

    async def scene(connect: Callable[[], Any]) -> None:
        link = Link(connect, house.ids, PATIENCE)
        link.tie(asyncio.get_running_loop())
        forwarding = None if behind is None else forwarding_to(behind, door, link, house)
        front = Front(door, link, cast(Any, None), forwarding, None, traced.spans)
        answered = asyncio.Event()

        def respond(answer: Any) -> None:
            answers.append(answer)
            if len(answers) == len(bodies):
                answered.set()

        for body in bodies:
            front.answer(Request("POST", "/in/captions/webhook", "1.1", HEADERS, body, last=False), respond)
        await answered.wait()
        await front.settle(PATIENCE)
        link.close()

    door = Door(house.providers, 65_536, now, () if behind is None else ("captions",))
    with connecting(house.log, spans=traced.spans) as connect:
        asyncio.run(scene(connect))
    return answers


def forwarding_to(behind: Handler, door: Door, link: Link, house: House) -> Forwarding:
    target = Target(url=behind.url, within=PATIENCE, most=8, observe=False, beside=frozenset(), session=True)
    return Forwarding({"captions": Asked(target, now)}, {"captions"}, door, link, house.recorder)


def test_the_spans_of_a_delivery_are_one_trace_that_is_linked_to_its_senders(small_house: House, behind: Handler):
    traced = Traced()

    delivered(small_house, traced, behind, BODY)

    (came,), (commit,), (forward,) = (traced.named(name) for name in ("POST /in/{source}", "commit", "forward"))
    assert (came.parent, came.context.trace_id == TRACE) == (None, False)
    assert [link.context.trace_id for span in (came, forward) for link in span.links] == [TRACE, TRACE]
    for span in (commit, forward):
        assert (span.parent and span.parent.span_id, span.context.trace_id) == (
            came.context.span_id,
            came.context.trace_id,
        )
    assert came.start_time <= commit.start_time <= commit.end_time <= forward.end_time  # type: ignore[operator]  # ended
    assert came.attributes == {
        "hookfold.source": "captions",
        "http.request.method": "POST",
        "http.route": "/in/{source}",
        "http.response.status_code": 200,
    }
    assert commit.attributes == {"hookfold.batch": 1, "hookfold.verdict": "new", "hookfold.position": 1}
    assert forward.attributes == {"hookfold.source": "captions", "http.response.status_code": 200}
    assert "ann" not in traced.told


def test_nothing_is_added_to_what_a_handler_gets(small_house: House, behind: Handler):
    delivered(small_house, Traced(), behind, BODY)

    heard = behind.next()
    ours = {b"host", b"content-length", b"hookfold-verdict", b"hookfold-position"}
    assert {name: value for name, value in heard.headers.items() if name not in ours} == {
        name.encode(): value.encode() for name, value in HEADERS
    }
    assert heard.body == BODY


def test_each_delivery_of_a_batch_has_its_own_commit(small_house: House):
    traced, bodies = Traced(), [json.dumps(start(f"u{number}")).encode() for number in range(3)]

    answers = delivered(small_house, traced, None, *bodies, b"{not json")

    commits, came = traced.named("commit"), traced.named("POST /in/{source}")
    assert [answer.status for answer in answers] == [200, 200, 200, 400]
    assert {span.parent.span_id for span in commits if span.parent} == {span.context.span_id for span in came}
    told: list[Any] = [span.attributes for span in commits]
    assert sorted(one["hookfold.position"] for one in told) == [0, 1, 2, 3]
    assert {one["hookfold.batch"] for one in told} == {4}
    assert sorted(str(one["hookfold.verdict"]) for one in told) == ["new", "new", "new", "rejected"]


def test_what_fails_is_told_as_that(small_house: House, behind: Handler):
    traced = Traced()
    behind.answer = FAILS

    delivered(small_house, traced, behind, BODY)

    (came,), (forward,) = (traced.named(name) for name in ("POST /in/{source}", "forward"))
    assert (came.status.is_ok, forward.status.is_ok) == (False, False)
    assert (forward.attributes or {})["error.type"] == "500"


def test_what_is_not_sampled_costs_the_writer_nothing(small_house: House):
    traced = Traced(sampler=ALWAYS_OFF)

    assert traced.spans.delivery("captions", HEADERS).context == b""
    assert [answer.status for answer in delivered(small_house, traced, None, BODY)] == [200]
    assert traced.told == ""


@pytest.mark.parametrize("sent", ["", "00-x-y-01", SENT.replace("0af7", "zzzz"), f"00-{'0' * 32}-{'0' * 16}-01"])
def test_what_is_no_traceparent_is_no_link(sent: str):
    traced = Traced()

    traced.spans.delivery("captions", [("traceparent", sent)]).end()
    traced.spans.delivery("captions", [("traceparent", SENT), ("traceparent", SENT)]).end()

    assert [list(span.links) for span in traced.named("POST /in/{source}")] == [[], []]


def test_a_relayed_delivery_is_a_trace_that_is_linked_to_its_senders(small_house: House, behind: Handler):
    traced = Traced()
    small_house.log.append([replace(small_house.entry("captions", start("ann")), relay="/webhook", headers=HEADERS)])
    relay = Relay(small_house, behind.url, "captions")
    relay.relays[0]._spans = traced.spans

    asyncio.run(relay.until(lambda: len(traced.named("forward")) == 1))

    (forward,) = traced.named("forward")
    assert [link.context.trace_id for link in forward.links] == [TRACE]
    assert (forward.parent, (forward.attributes or {})["hookfold.position"]) == (None, 1)


COLLECTOR = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


def test_nothing_is_traced_unless_the_environment_names_a_collector(monkeypatch: pytest.MonkeyPatch):
    assert not any(map(is_wanted, [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, {"OTEL_TRACES_EXPORTER": "otlp"}]))
    assert not is_wanted(COLLECTOR | {"OTEL_SDK_DISABLED": "TRUE"})
    assert not is_wanted(COLLECTOR | {"OTEL_TRACES_EXPORTER": "none"})
    assert is_wanted(COLLECTOR)
    assert started("server", {}) is None

    monkeypatch.setitem(sys.modules, "adapters.tracing.spans", None)

    assert (load({}), load(COLLECTOR), started("server", COLLECTOR)) == (True, False, None)


class Collector(ThreadingHTTPServer):
    """Takes spans as OTLP/HTTP has them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.spans: list[tuple[str, Any]] = []


class Taking(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"])))
        for of_process in sent.resource_spans:
            told = {one.key: one.value.string_value for one in of_process.resource.attributes}
            spans = [span for scope in of_process.scope_spans for span in scope.spans]
            self.server.spans += [(told["hookfold.process"], span) for span in spans]  # type: ignore[attr-defined]  # ours
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        thread = Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_a_service_sends_the_spans_of_its_processes_to_the_collector(
    sqlite_url: str, tmp_path: Path, collector: Collector
):
    named = f"import os; os.environ['OTEL_EXPORTER_OTLP_ENDPOINT'] = 'http://127.0.0.1:{collector.server_port}'\n"
    with (
        handler() as behind,
        running(
            sqlite_url, tmp_path / "s", before=named, configuration=CONFIGURATION.format(url=behind.url)
        ) as service,
    ):
        answer = service.send("POST", "/in/captions/webhook", BODY, dict(HEADERS))

    found = {(process, span.name): span for process, span in collector.spans}
    assert answer.status == 200
    assert found.keys() == {("server", "POST /in/{source}"), ("server", "forward"), ("writer", "commit")}
    came = found["server", "POST /in/{source}"]
    assert {span.trace_id for span in found.values()} == {came.trace_id}
    assert found["writer", "commit"].parent_span_id == came.span_id
