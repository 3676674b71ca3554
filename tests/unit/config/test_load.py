"""A right file becomes settings; a wrong one stops the start with the file, the key and the mend."""

import pytest

from adapters.config import ConfigError, Rate, Secret, Source, config_path, load
from adapters.providers import build

AMPS_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ENV = {
    "WMS_MAC_SECRET": "wms-test-secret",
    "AMPS_SECRET": AMPS_SECRET,
    "NOTHING": "",
    "TEXT": "no base64",
    "PATH_SECRET": "0123456789abcdef",
}
MINUTE = 60_000_000

DOCUMENTED = """
[service]
secret = "file:var/secret"

[sources.clinic]
provider = "wms"
secrets = ["env:WMS_MAC_SECRET", "file:wms-old"]
node_ascii = true

[sources.energy]
provider = "amps"
secrets = ["env:AMPS_SECRET"]
event_type = "push.completed"
overdue_after = "10m"

[sources.captions]
provider = "mentraos"
package_name = "com.example.captions"
presumed_ended_after = "12h"

[sources.notes]
provider = "augmentos"
"""


@pytest.fixture
def settings(tmp_path):
    """Loads a file with that text, from a folder of its own."""

    def loaded(text, **env):
        path = tmp_path / "hookfold.toml"
        path.write_text(text)
        return load(path, {"HOOKFOLD_DATABASE_URL": f"sqlite:///{tmp_path}/data/log.db", **ENV, **env})

    return loaded


def test_the_documented_file_is_understood(settings, tmp_path):
    (tmp_path / "wms-old").write_text("an older secret\n")

    loaded = settings(DOCUMENTED)

    wms = (Secret("env:WMS_MAC_SECRET", "wms-test-secret"), Secret("file:wms-old", "an older secret"))
    amps = (Secret("env:AMPS_SECRET", AMPS_SECRET),)
    assert list(loaded.sources.values()) == [
        Source("clinic", "wms", wms, node_ascii=True),
        Source("energy", "amps", amps, event_type="push.completed", overdue_after=10 * MINUTE),
        Source("captions", "mentraos", package_name="com.example.captions", presumed_ended_after=720 * MINUTE),
        Source("notes", "augmentos"),
    ]


def test_every_source_becomes_its_provider(settings, tmp_path):
    (tmp_path / "wms-old").write_text("an older secret")

    providers = {name: build(source).name for name, source in settings(DOCUMENTED).sources.items()}

    assert providers == {"clinic": "wms", "energy": "amps", "captions": "mentraos", "notes": "augmentos"}


def test_an_empty_file_is_a_service_without_sources(settings):
    loaded = settings("")

    assert (loaded.sources, loaded.service.max_body, loaded.port) == ({}, 262_144, 8400)


@pytest.mark.parametrize(
    ("text", "length"), [("30s", MINUTE // 2), ("10m", 10 * MINUTE), ("12h", 720 * MINUTE), ("2d", 2880 * MINUTE)]
)
def test_a_duration_has_a_unit(settings, text, length):
    loaded = settings(f'[sources.notes]\nprovider = "augmentos"\npresumed_ended_after = "{text}"')

    assert loaded.sources["notes"].presumed_ended_after == length


def test_every_source_may_have_its_own_time_of_silence(settings):
    loaded = settings('[sources.notes]\nprovider = "augmentos"\nsilent_after = "12h"')

    assert loaded.sources["notes"].silent_after == 720 * MINUTE
    assert loaded.sources["notes"].others() == {"silent_after": 720 * 60.0}


def one(settings="", provider="wms", name="clinic"):
    """A file with one source."""
    secrets = {"wms": 'secrets = ["env:WMS_MAC_SECRET"]', "amps": 'secrets = ["env:AMPS_SECRET"]'}.get(provider, "")
    given = settings if settings.startswith("secrets") else f"{secrets}\n{settings}"
    return f'[sources.{name}]\nprovider = "{provider}"\n{given}\n'


WRONG = [
    ("[service", "", "it is not TOML"),
    ("sources = 3", "sources", "make it a table: [sources]"),
    ("service = []", "service", "make it a table: [service]"),
    ("[sources]\nclinic = 3", "sources.clinic", "make it a table: [sources.clinic]"),
    ("[source.clinic]", "source", "unknown key: remove it, or take one of service, sources, tokens"),
    (
        "[service]\nsecrets = 'x'",
        "service.secrets",
        "one of answer_within, base_url, checkpoint_every, max_body, origin, peer_rate, read_database_url, secret,",
    ),
    ("[service]\nanswer_within = 8", "service.answer_within", "make it a number with its unit"),
    ("[service]\nmax_body = '1 MB'", "service.max_body", "make it a number of bytes"),
    ("[service]\nmax_body = 0", "service.max_body", "make it a number of bytes"),
    ("[service]\nmax_body = true", "service.max_body", "make it a number of bytes"),
    ("[service]\nsecret = 'plain text'", "service.secret", 'write "env:NAME" or "file:PATH"'),
    ("[service]\nsecret = 'env:TEXT'", "service.secret", "is too short"),
    ("[service]\nsecret = 'env:ABSENT'", "service.secret", "the environment has no ABSENT"),
    *(("[service]\npeer_rate = " + value, "service.peer_rate", "such as") for value in ("'0/m'", "'5'", "5", "'5/d'")),
    ("[service]\ntrusted_proxies = '127.0.0.1'", "service.trusted_proxies", "list addresses or networks"),
    ("[service]\ntrusted_proxies = ['10.0.0.1/8']", "service.trusted_proxies", "list addresses or networks"),
    *(
        (f"[service]\nbase_url = {value}", "service.base_url", "make it the URL that others reach this service by")
        for value in (
            "'hooks.example.com'",
            "'https://u:p@h'",
            "'https://h/?a'",
            "'https://h//x'",
            "'https://h/a\"'",
            "5",
        )
    ),
    (one("rate = 'fast'"), "sources.clinic.rate", "make it a number in a time"),
    (one("path_secret = 'env:WMS_MAC_SECRET'"), "sources.clinic.path_secret", "unknown key"),
    (one("path_secret = 'env:TEXT'", "mentraos"), "sources.clinic.path_secret", "cannot stand in a path"),
    (
        one("path_secret = 'env:PATH_SECRET'\nmode = 'proxy'\nforward_to = 'http://127.0.0.1:1'", "mentraos"),
        "sources.clinic.path_secret",
        'it goes with mode = "record" alone',
    ),
    ("[sources.clinic]", "sources.clinic.provider", "make it one of amps, augmentos, mentraos, wms"),
    (one(provider="stripe"), "sources.clinic.provider", "make it one of amps, augmentos, mentraos, wms"),
    ("[sources.clinic]\nprovider = ['wms']", "sources.clinic.provider", "make it one of"),
    (one(name="Clinic"), "sources.Clinic", "name it with up to 63"),
    (one(name="hookfold"), "sources.hookfold", "and not hookfold"),
    (one(name="-a"), "sources.-a", "name it with up to 63"),
    (one(name="a" * 64), "sources." + "a" * 64, "name it with up to 63"),
    (one(name='"a/b"'), "sources.a/b", "name it with up to 63"),
    (one(name='""'), "sources.", "name it with up to 63"),
    (
        one("secret = 'x'"),
        "sources.clinic.secret",
        "node_ascii, on_store_failure, provider, rate, retry_for, secrets, signature, silent_after, spool_bytes",
    ),
    (one("node_ascii = 'yes'"), "sources.clinic.node_ascii", "make it true or false"),
    (one("event_type = 'WMS_LOADED'"), "sources.clinic.event_type", "unknown key"),
    (one("node_ascii = true", "amps"), "sources.clinic.node_ascii", "unknown key"),
    (one("package_name = 'p'", "amps"), "sources.clinic.package_name", "unknown key"),
    (one("event_type = 'push.done'", "amps"), "sources.clinic.event_type", "make it one of device.connected"),
    (one("event_type = ''", "amps"), "sources.clinic.event_type", "make it a string that is not empty"),
    (one("overdue_after = 600", "amps"), "sources.clinic.overdue_after", "make it a number with its unit"),
    (one("overdue_after = '0m'", "amps"), "sources.clinic.overdue_after", "make it a number with its unit"),
    (one("overdue_after = '10 minutes'", "amps"), "sources.clinic.overdue_after", "make it a number with its unit"),
    (one("overdue_after = '1m'", "mentraos"), "sources.clinic.overdue_after", "unknown key"),
    (one("secrets = ['env:AMPS_SECRET']", "mentraos"), "sources.clinic.secrets", "unknown key"),
    (one("secrets = []"), "sources.clinic.secrets", "list its secrets"),
    (one("secrets = 'env:AMPS_SECRET'"), "sources.clinic.secrets", "list its secrets"),
    ("[sources.clinic]\nprovider = 'wms'", "sources.clinic.secrets", "list its secrets"),
    (one("secrets = ['hunter2']"), "sources.clinic.secrets", "secrets do not stand in this file"),
    (one("secrets = [5]"), "sources.clinic.secrets", 'write "env:NAME" or "file:PATH"'),
    (one("secrets = ['env:']"), "sources.clinic.secrets", 'write "env:NAME" or "file:PATH"'),
    (one("secrets = ['env:ABSENT']"), "sources.clinic.secrets", "the environment has no ABSENT"),
    (one("secrets = ['env:NOTHING']"), "sources.clinic.secrets", "the environment has no NOTHING"),
    (one("secrets = ['file:absent']"), "sources.clinic.secrets", "absent cannot be read (No such file"),
    (one("secrets = ['env:TEXT']", "amps"), "sources.clinic.secrets", "env:TEXT cannot be a secret of this provider"),
]


@pytest.mark.parametrize(("text", "key", "mend"), WRONG)
def test_a_wrong_setting_stops_the_start_and_says_where_and_what_to_do(settings, tmp_path, text, key, mend):
    with pytest.raises(ConfigError) as stopped:
        settings(text)

    assert str(stopped.value).startswith(f"{tmp_path / 'hookfold.toml'}: {key}{': ' if key else ''}")
    assert mend in str(stopped.value)


def test_no_message_tells_a_secret(settings):
    with pytest.raises(ConfigError) as stopped:
        settings(one("secrets = ['hunter2']"))

    assert "hunter2" not in str(stopped.value)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_%%%", "whsec_abc", "é", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"])
def test_an_amps_secret_that_is_no_key_stops_the_start(settings, secret):
    with pytest.raises(ConfigError) as stopped:
        settings(one("secrets = ['env:BAD']", "amps"), BAD=secret)

    assert "sources.clinic.secrets: env:BAD cannot be a secret of this provider" in str(stopped.value)
    assert secret not in str(stopped.value)


def test_a_file_that_is_not_there_names_the_command_that_writes_one(tmp_path):
    with pytest.raises(ConfigError, match="hookfold init"):
        load(tmp_path / "absent.toml", {})


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, {})


def test_a_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "hookfold.toml").write_bytes("# é".encode("latin-1"))

    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "hookfold.toml", {})


def test_the_environment_names_the_file_the_database_and_the_port(tmp_path):
    (tmp_path / "other.toml").write_text("[service]\nsecret = 'env:KEY'")
    url = "postgresql://hookfold:hunter2@localhost/hookfold"
    env = {"HOOKFOLD_CONFIG": str(tmp_path / "other.toml"), "HOOKFOLD_DATABASE_URL": url, "HOOKFOLD_PORT": "0"}

    loaded = load(None, {**env, "KEY": "k" * 32})

    assert (loaded.path, loaded.database_url, loaded.port) == (tmp_path / "other.toml", url, 0)
    assert "hunter2" not in repr(loaded)


def test_without_it_the_file_and_the_database_are_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hookfold.toml").write_text("")

    loaded = load(None, {})

    assert str(config_path({})) == "hookfold.toml"
    assert loaded.database_url == "sqlite:///var/hookfold.db"
    assert loaded.service.secret.absent == tmp_path / "var/secret"


@pytest.mark.parametrize("link", ["tcp://10.96.0.17:8400", "tcp://[fd00::17]:8400", "udp://10.96.0.17:53"])
def test_what_kubernetes_says_of_a_service_with_our_name_is_no_port_of_ours(settings, link):
    assert settings("", HOOKFOLD_PORT=link).port == 8400


def test_a_byte_order_mark_changes_nothing(settings, tmp_path):
    (tmp_path / "wms").write_text("\ufeffsecret\n")

    loaded = settings('\ufeff[sources.clinic]\nprovider = "wms"\nsecrets = ["file:wms"]')

    assert loaded.sources["clinic"].secrets == (Secret("file:wms", "secret"),)


@pytest.mark.parametrize("port", ["http", "-1", "65536", "١", "8400.0", "123456", "tcp://", "http://a:1"])
def test_a_wrong_port_is_refused(settings, port):
    with pytest.raises(ConfigError, match="environment: HOOKFOLD_PORT: make it a number"):
        settings("", HOOKFOLD_PORT=port)


@pytest.mark.parametrize("url", ["mysql://u:hunter2@localhost/db", "hookfold.db", "postgres://u:hunter2@localhost/db"])
def test_another_database_is_refused_without_telling_its_password(settings, url):
    with pytest.raises(ConfigError, match="environment: HOOKFOLD_DATABASE_URL: begin it") as stopped:
        settings("", HOOKFOLD_DATABASE_URL=url)

    assert "hunter2" not in str(stopped.value)


def test_limits_and_an_unguessable_path_are_taken(settings):
    text = "[service]\npeer_rate = '600/m'\ntrusted_proxies = ['127.0.0.1', '10.0.0.0/8']\n"

    found = settings(
        text + "[sources.captions]\nprovider = 'mentraos'\nrate = '5/s'\npath_secret = 'env:PATH_SECRET'\n"
    )

    assert (found.service.peer_rate, found.sources["captions"].rate) == (Rate(600, 60), Rate(5, 1))
    assert found.service.trusted_proxies == ("127.0.0.1/32", "10.0.0.0/8")
    assert found.paths == {"captions": "0123456789abcdef"}


@pytest.mark.parametrize("end", ["", "/"])
def test_what_others_reach_the_service_by_begins_the_urls_that_it_tells(settings, end):
    found = settings(f"[service]\nbase_url = 'https://hooks.example.com/hookfold{end}'")

    assert found.base == "https://hooks.example.com/hookfold"
    assert settings("").base == f"http://127.0.0.1:{found.port}"


REPLICA = "postgresql://reader:s3cret@replica/hooks"


@pytest.mark.parametrize("said", [REPLICA, "env:REPLICA_URL"])
def test_a_replica_is_named_by_its_url_or_by_reference_and_never_told(settings, said):
    env = {"HOOKFOLD_DATABASE_URL": "postgresql://u@h/hooks", "REPLICA_URL": REPLICA}

    found = settings(f'[service]\nread_database_url = "{said}"', **env)

    assert found.service.read_database_url.value == REPLICA
    assert "s3cret" not in f"{found!r} {found.service!r}"


@pytest.mark.parametrize(
    ("url", "said", "mend"),
    [
        ("postgresql://u@h/x", "sqlite:///copy.db", 'write "postgresql://'),
        ("postgresql://u@h/x", "", 'write "postgresql://'),
        ("sqlite:///var/x.db", REPLICA, "SQLite has no replica"),
    ],
)
def test_a_replica_is_one_of_postgresql(settings, url, said, mend):
    with pytest.raises(ConfigError, match=f"service.read_database_url: {mend}"):
        settings(f'[service]\nread_database_url = "{said}"', HOOKFOLD_DATABASE_URL=url)
