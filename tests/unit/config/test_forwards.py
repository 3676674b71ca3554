"""A source whose handler stands behind us is configured whole, or the start says what is missing."""

from contextlib import closing

import msgspec
import pytest
from structlog.testing import capture_logs

from adapters.config import ConfigError, Forward, load
from adapters.server.commits.spool import DeliverySpool, Kept
from app import create_app
from core.ids import Ids
from wiring.forwarding import refuse_loops
from wiring.opening import open_components, start
from wiring.spools import SpoolStates, drained, prepare, spools, warn_of_left

SECOND = 1_000_000
LOG = "0123456789abcdef"
TO = 'forward_to = "http://127.0.0.1:3000/hooks/"\n'
PROXY = 'mode = "proxy"\n'
RELAY = 'mode = "relay"\n'


@pytest.fixture
def settings(tmp_path):
    def loaded(provider, text):
        path = tmp_path / "hookfold.toml"
        secrets = "" if provider in ("mentraos", "augmentos") else 'secrets = ["env:SECRET"]\n'
        path.write_text(f'[sources.one]\nprovider = "{provider}"\n{secrets}{text}')
        env = {"SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "HOOKFOLD_DATABASE_URL": f"sqlite:///{tmp_path}/db"}
        return load(path, env)

    return loaded


def forward_of(loaded):
    return loaded.sources["one"].forward


@pytest.mark.parametrize(("provider", "seconds"), [("mentraos", 9), ("augmentos", 9), ("amps", 12), ("wms", 10)])
def test_the_deadline_lies_below_the_senders_patience(settings, provider, seconds):
    assert forward_of(settings(provider, PROXY + TO)) == Forward("http://127.0.0.1:3000/hooks", seconds * SECOND)


def test_all_of_it_may_be_said(settings):
    more = 'forward_within = "3s"\nmost_forwards = 2\nsignature = "observe"\n'

    assert forward_of(settings("amps", PROXY + TO + more)) == Forward(
        "http://127.0.0.1:3000/hooks", 3 * SECOND, 2, observe=True
    )


def test_a_relay_takes_its_time_unless_told_otherwise(settings):
    usual = forward_of(settings("amps", RELAY + TO))
    told = forward_of(settings("amps", RELAY + TO + 'forward_within = "5s"\nretry_for = "2h"\n'))

    assert usual == Forward("http://127.0.0.1:3000/hooks", 30 * SECOND, retry_for=86_400 * SECOND)
    assert told == Forward("http://127.0.0.1:3000/hooks", 5 * SECOND, retry_for=7_200 * SECOND)


def test_who_spools_has_a_folder_beside_the_database_and_a_bound_unless_told_otherwise(settings, tmp_path):
    spools = PROXY + TO + 'on_store_failure = "spool"\n'

    usual = settings("wms", spools)
    told = settings("wms", spools + 'spool_bytes = 1048576\n[service]\nspool_folder = "elsewhere"\n')

    assert (forward_of(usual).spool, usual.service.spool_folder) == (256 << 20, tmp_path / "spool")
    assert forward_of(told).spool == 1_048_576
    assert told.service.spool_folder == told.path.parent / "elsewhere"
    assert forward_of(settings("wms", PROXY + TO + 'on_store_failure = "refuse"\n')).spool is None


def test_a_spool_that_cannot_be_used_stops_the_start(settings, tmp_path):
    (tmp_path / "spool").touch()
    loaded = settings("wms", PROXY + TO + 'on_store_failure = "spool"\n')

    with pytest.raises(ConfigError) as refused:
        prepare(loaded, Ids(b"a secret for tests only, 32 byte"), LOG)

    assert "sources.one.on_store_failure" in str(refused.value)
    assert "service.spool_folder" in str(refused.value)


def test_what_a_source_left_is_taken_in_though_it_spools_no_more(settings, tmp_path):
    ids = Ids(b"a secret for tests only, 32 byte")
    spooling, recording = settings("wms", PROXY + TO + 'on_store_failure = "spool"\n'), settings("wms", "")
    before = [one.source for one in drained(recording, ids, LOG)]

    spools(spooling, ids, LOG)["one"].append([Kept(b"what waits", behind=False)])

    assert (before, [one.source for one in drained(recording, ids, LOG)]) == ([], ["one"])


def test_what_is_left_where_nobody_drains_is_told(settings):
    ids = Ids(b"a secret for tests only, 32 byte")
    spooling, recording = settings("wms", PROXY + TO + 'on_store_failure = "spool"\n'), settings("wms", "")
    with capture_logs() as before:
        warn_of_left(recording, ids, LOG)
    states = SpoolStates(recording, ids, LOG)()

    spools(spooling, ids, LOG)["one"].append([Kept(b"what waits", behind=False)])

    with capture_logs() as behind:
        warn_of_left(recording, ids, LOG)
    assert (before, states) == ([], [])
    assert [(one["event"], one["sources"]) for one in behind] == [("spool_left", ["one"])]
    assert [one.source for one in SpoolStates(recording, ids, LOG)()] == ["one"]


@pytest.mark.parametrize("text", ["", PROXY + TO + 'on_store_failure = "spool"\n'])
def test_a_folder_that_cannot_be_read_is_told_and_ends_neither_start_nor_watching(settings, tmp_path, text):
    ids, loaded = Ids(b"a secret for tests only, 32 byte"), settings("wms", text)
    (tmp_path / "spool" / LOG).mkdir(parents=True)
    (tmp_path / "spool" / LOG / "one").touch()

    with capture_logs() as lines:
        states = SpoolStates(loaded, ids, LOG)()

    assert states == []
    assert [(one["event"], one["source"]) for one in lines] == [("spool_unusable", "one")]
    assert [one.source for one in drained(loaded, ids, LOG)] == ["one"]


def test_what_waits_for_another_log_is_told_and_left_alone(settings):
    ids, loaded = Ids(b"a secret for tests only, 32 byte"), settings("wms", PROXY + TO + 'on_store_failure = "spool"\n')
    spools(loaded, ids, "another")["one"].append([Kept(b"what waits", behind=False)])

    with capture_logs() as lines:
        prepare(loaded, ids, LOG)

    assert [(one["event"], one["source"]) for one in lines] == [("spool_of_another_log", "one")]
    assert [one.is_empty() for one in drained(loaded, ids, LOG)] == [True]


def test_what_waits_for_a_source_that_is_no_more_is_told(settings, tmp_path):
    ids, loaded = Ids(b"a secret for tests only, 32 byte"), settings("wms", "")
    DeliverySpool("gone", tmp_path / "spool" / LOG / "gone", 1_000, b"key").append([Kept(b"x", behind=False)])

    with capture_logs() as lines:
        prepare(loaded, ids, LOG)

    assert [(one["event"], one["source"]) for one in lines] == [("spool_of_no_source", "gone")]


def test_a_log_keeps_the_name_of_its_spools_and_another_has_another(settings, tmp_path):
    loaded = settings("wms", "")
    other = msgspec.structs.replace(loaded, database_url=f"sqlite:///{tmp_path}/other")

    with closing(open_components(loaded, begin=True)), closing(open_components(other, begin=True)):
        names = []
        for one in (loaded, loaded, other):
            with closing(start(one)) as parts:
                names.append((parts.spooled_as, parts.handed().spooled_as))

    assert names[0] == names[1] != names[2]
    assert len(names[0][0]) == 16
    assert all(name == handed for name, handed in names)


def test_without_a_mode_we_answer_ourselves(settings):
    assert forward_of(settings("wms", "")) is None
    assert forward_of(settings("wms", 'mode = "record"\n')) is None


@pytest.mark.parametrize(
    ("provider", "text", "told"),
    [
        ("wms", PROXY, 'sources.one.forward_to: mode = "proxy" needs it'),
        ("wms", TO, 'sources.one.forward_to: nothing is forwarded: add mode = "proxy" or "relay", or remove'),
        ("wms", 'signature = "observe"\n', "sources.one.signature: nothing is forwarded"),
        ("wms", 'mode = "mirror"\n' + TO, 'sources.one.mode: make it "record" or "proxy" or "relay"'),
        ("wms", RELAY, 'sources.one.forward_to: mode = "relay" needs it'),
        ("wms", RELAY + TO + 'signature = "observe"\n', 'sources.one.signature: only mode = "proxy" takes it'),
        ("wms", PROXY + TO + 'retry_for = "1h"\n', 'sources.one.retry_for: only mode = "relay" takes it'),
        ("wms", RELAY + TO + 'on_store_failure = "spool"\n', 'on_store_failure: only mode = "proxy" takes it'),
        ("wms", PROXY + TO + 'on_store_failure = "open"\n', 'on_store_failure: make it "refuse" or "spool"'),
        ("wms", PROXY + TO + "spool_bytes = 1048576\n", 'spool_bytes: add on_store_failure = "spool"'),
        ("wms", PROXY + TO + 'on_store_failure = "spool"\nspool_bytes = 9\n', "spool_bytes: make it a number of bytes"),
        ("mentraos", PROXY + TO + 'signature = "observe"\n', "sources.one.signature: unknown key"),
        ("wms", PROXY + TO + 'forward_too = "x"\n', "sources.one.forward_too: unknown key"),
        ("wms", PROXY + TO + 'forward_within = "9"\n', "sources.one.forward_within: make it a number with its unit"),
        ("wms", PROXY + TO + "most_forwards = 0\n", "sources.one.most_forwards: make it a number from 1 to 4096"),
        ("wms", PROXY + 'forward_to = "127.0.0.1:3000"\n', "sources.one.forward_to: make it a URL"),
        ("wms", PROXY + 'forward_to = "ftp://example.com"\n', "sources.one.forward_to: make it a URL"),
        ("wms", PROXY + 'forward_to = "http://u:p@example.com"\n', "sources.one.forward_to: make it a URL"),
        ("wms", PROXY + 'forward_to = "http://example.com/?a=b"\n', "sources.one.forward_to: make it a URL"),
        ("wms", PROXY + 'forward_to = "http://example.com:x/"\n', "sources.one.forward_to: make it a URL"),
        ("wms", PROXY + 'forward_to = "http://"\n', "sources.one.forward_to: make it a URL"),
        ("wms", PROXY + "forward_to = 3000\n", "sources.one.forward_to: make it a URL"),
    ],
)
def test_what_does_not_go_together_stops_the_start(settings, provider, text, told):
    with pytest.raises(ConfigError) as refused:
        settings(provider, text)

    assert told in str(refused.value)


def test_another_wsgi_server_says_who_can(settings):
    with pytest.raises(ConfigError) as refused:
        create_app(settings("wms", PROXY + TO))

    assert "sources.one.mode" in str(refused.value)
    assert "hookfold serve" in str(refused.value)


@pytest.mark.parametrize(
    ("to", "loops"), [("localhost:8400", True), ("[::1]:8400/in/one", True), ("127.0.0.1:3000", False)]
)
def test_a_handler_that_is_this_very_service_stops_the_start(settings, to, loops):
    loaded = settings("wms", f'{PROXY}forward_to = "http://{to}"')

    if not loops:
        refuse_loops(loaded, "127.0.0.1")
        return
    with pytest.raises(ConfigError) as refused:
        refuse_loops(loaded, "127.0.0.1")

    assert "sources.one.forward_to: this is Hookfold itself" in str(refused.value)
