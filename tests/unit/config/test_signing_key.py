"""The key of the log's checkpoints is made with the service's secret, and configured like it."""

import stat

import pytest

from adapters.config import ConfigError, load, make_secrets

SECOND = 1_000_000


@pytest.fixture
def service(tmp_path):
    """Starts with these lines under [service]."""

    def loaded(lines="", known=(), **env):
        path = tmp_path / "hookfold.toml"
        path.write_text(f"[service]\n{lines}")
        found = load(path, {"HOOKFOLD_DATABASE_URL": f"sqlite:///{tmp_path}/data/log.db", **env})
        return make_secrets(found, known).service

    return loaded


def test_the_first_start_makes_a_key_for_its_owner_only_and_the_next_one_finds_it(service, tmp_path):
    made = service()

    file = tmp_path / "data/signing-key"
    assert made.seed == bytes.fromhex(file.read_text())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert service().seed == made.seed


def test_the_key_is_made_beside_a_secret_that_is_configured(service, tmp_path):
    service('secret = "file:keys/secret"')

    assert (tmp_path / "keys/signing-key").exists()


def test_beside_a_secret_of_the_environment_it_is_made_where_the_database_is(service, tmp_path):
    service('secret = "env:KEY"', KEY="k" * 64)

    assert (tmp_path / "data/signing-key").exists()


def test_key_origin_and_interval_can_be_configured(service):
    made = service('signing_key = "env:KEY"\norigin = "example.com/hooks"\ncheckpoint_every = "5m"', KEY="0f" * 32)

    assert (made.seed, made.origin, made.checkpoint_every) == (b"\x0f" * 32, "example.com/hooks", 300 * SECOND)


@pytest.mark.parametrize("key", ["0f" * 31, "0F" * 32, "0f" * 33, "no hex"])
def test_what_is_no_key_stops_the_start_and_is_not_told(service, key):
    with pytest.raises(ConfigError, match=r"service\.signing_key: env:KEY is no Ed25519 key") as stopped:
        service('signing_key = "env:KEY"', KEY=key)

    assert key not in str(stopped.value)


@pytest.mark.parametrize("origin", ["''", "'a b'", "'a+b'", "5", "'a\\u0007'"])
def test_what_is_no_name_of_a_log_stops_the_start(service, origin):
    with pytest.raises(ConfigError, match=r"service\.origin: make it a name"):
        service(f"origin = {origin}".replace("'", '"'))
