"""The file that `hookfold init` writes is right as it stands."""

import stat

import pytest

from adapters.config import ConfigError, Scope, load, write_template
from adapters.providers import PROVIDERS, build


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "hookfold.toml"
    write_template(path)
    return path


def test_the_written_file_loads_with_a_source_of_every_provider(written):
    loaded = load(written, {})

    assert {build(source).name for source in loaded.sources.values()} == set(PROVIDERS)


def test_every_line_that_is_commented_out_may_be_taken_in(written):
    text = written.read_text()
    for setting in ("answer_within", "max_body", "node_ascii", "event_type", "presumed_ended_after"):
        text = text.replace(f"# {setting}", setting)
    written.write_text(text)

    loaded = load(written, {})

    assert loaded.sources["clinic"].node_ascii
    assert loaded.sources["energy"].event_type == "push.completed"
    assert loaded.sources["captions"].presumed_ended_after == 12 * 3_600_000_000


def test_the_token_that_is_commented_out_may_be_taken_in(written):
    text = written.read_text()
    for line in ("[tokens.dashboard]", 'secret = "env:DASHBOARD_TOKEN"', "scopes =", "sources ="):
        assert text.count(f"# {line}") == 1
        text = text.replace(f"# {line}", line)
    written.write_text(text)

    loaded = load(written, {"DASHBOARD_TOKEN": "dashboard-token-0123456789"})

    assert (loaded.tokens["dashboard"].scopes, loaded.tokens["dashboard"].sources) == ((Scope.READ,), ("clinic",))


def test_it_says_what_it_made_and_the_secrets_are_their_owners_only(tmp_path):
    path = tmp_path / "hookfold.toml"

    made = write_template(path)

    assert made == [path, tmp_path / "var/clinic.secret", tmp_path / "var/energy.secret"]
    assert [stat.S_IMODE(secret.stat().st_mode) for secret in made[1:]] == [0o600, 0o600]


def test_two_files_have_different_secrets_and_no_secret_stands_in_a_file(tmp_path):
    paths = [tmp_path / name / "hookfold.toml" for name in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        write_template(path)

    secrets = [(path.parent / "var" / f"{name}.secret").read_text() for path in paths for name in ("clinic", "energy")]

    assert len(set(secrets)) == 4
    assert not any(secret.strip() in path.read_text() for path in paths for secret in secrets)


def test_a_file_that_is_there_is_left_as_it_is(written):
    written.write_text("mine")

    with pytest.raises(ConfigError, match="it is there already"):
        write_template(written)

    assert written.read_text() == "mine"


def test_where_a_file_is_there_no_secret_is_made(tmp_path):
    (tmp_path / "hookfold.toml").touch()

    with pytest.raises(ConfigError, match="it is there already"):
        write_template(tmp_path / "hookfold.toml")

    assert not (tmp_path / "var").exists()


def test_secrets_that_are_there_stay(written):
    secret = (written.parent / "var/clinic.secret").read_text()
    written.unlink()

    assert write_template(written) == [written]
    assert (written.parent / "var/clinic.secret").read_text() == secret


def test_a_place_where_nothing_can_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match=r"clinic\.secret cannot be made"):
        write_template(tmp_path / "file" / "hookfold.toml")
    with pytest.raises(ConfigError, match="it cannot be written"):
        write_template(tmp_path / ("x" * 300))
