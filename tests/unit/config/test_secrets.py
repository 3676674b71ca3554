"""Secrets come from files and the environment, and the service makes its own."""

import os
import pwd
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.config import ConfigError, Secret, load, make_secrets
from adapters.config.secrets import resolve


@pytest.fixture
def service(tmp_path):
    """Starts with these lines under [service], the database beside the file or as told."""

    def loaded(lines="", url=None, known=(), **env):
        path = tmp_path / "hookfold.toml"
        path.write_text(f"[service]\n{lines}")
        database = url or f"sqlite:///{tmp_path}/data/log.db?timeout=3"
        return make_secrets(load(path, {"HOOKFOLD_DATABASE_URL": database, **env}), known).service

    return loaded


def test_the_first_start_makes_a_secret_beside_the_database_for_its_owner_only(service, tmp_path):
    made = service()

    file = tmp_path / "data/secret"
    assert made.secret == Secret(f"file:{file}", file.read_text().strip())
    assert len(bytes.fromhex(made.secret.value)) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(file.parent.iterdir()) == [file, tmp_path / "data/signing-key"]


@pytest.mark.parametrize("url", ["postgresql://localhost/hookfold", "sqlite://", "sqlite:///:memory:"])
def test_where_the_database_is_no_file_the_secret_is_in_var(service, tmp_path, url):
    service(url=url)

    assert (tmp_path / "var/secret").exists()


def test_the_next_start_finds_the_same_secret(service):
    assert service().key == service().key


def test_a_named_file_is_made_in_the_configurations_folder(service, tmp_path):
    made = service('secret = "file:keys/mine"')

    assert made.secret == Secret("file:keys/mine", (tmp_path / "keys/mine").read_text().strip())
    assert made.key == made.secret.value.encode()


def test_a_secret_of_the_environment_is_taken_without_the_space_around_it(service):
    assert service('secret = "env:KEY"', KEY="k" * 40 + "\n").key == b"k" * 40


def test_what_the_database_was_made_with_is_never_made_anew(service, tmp_path):
    with pytest.raises(ConfigError, match=r"data/secret: service\.secret: this file is missing: give it back"):
        service(known=["secret"])

    assert not (tmp_path / "data").exists()


def test_who_comes_second_at_a_first_start_takes_the_secret_of_who_came_first(tmp_path):
    (tmp_path / "hookfold.toml").write_text('[service]\nsecret = "file:mine"\nsigning_key = "env:KEY"')
    first, second = (load(tmp_path / "hookfold.toml", {"KEY": "0f" * 32}) for _ in range(2))

    made = make_secrets(first, ())

    assert make_secrets(second, ["secret", "signing_key"]) == made


def test_loading_makes_nothing_and_what_is_missing_is_told_when_it_is_needed(tmp_path):
    (tmp_path / "hookfold.toml").write_text("")

    loaded = load(tmp_path / "hookfold.toml", {"HOOKFOLD_DATABASE_URL": f"sqlite:///{tmp_path}/data/log.db"})

    assert not (tmp_path / "data").exists()
    with pytest.raises(ConfigError, match=r"data/secret: service\.secret: this file is missing"):
        _ = loaded.service.key
    with pytest.raises(ConfigError, match=r"data/signing-key: service\.signing_key: this file is missing"):
        _ = loaded.service.seed


def test_an_empty_file_is_refused_and_left_as_it_is(service, tmp_path):
    (tmp_path / "mine").touch()

    with pytest.raises(ConfigError, match=r"service\.secret: .*mine is empty"):
        service('secret = "file:mine"')

    assert (tmp_path / "mine").read_bytes() == b""


def test_a_file_that_is_no_text_is_refused(service, tmp_path):
    (tmp_path / "mine").write_bytes(b"\xff" * 40)

    with pytest.raises(ConfigError, match=r"cannot be read \(it is not UTF-8\)"):
        service('secret = "file:mine"')


def test_a_place_where_nothing_can_be_made_is_named(service, tmp_path):
    (tmp_path / "keys").touch()

    with pytest.raises(ConfigError, match=r"service\.secret: .*mine cannot be made .*may write, .*hookfold/mine"):
        service('secret = "file:keys/mine"')


def test_starts_at_the_same_time_agree_on_one_secret(tmp_path):
    path = tmp_path / "hookfold.toml"
    path.write_text('[service]\nsecret = "file:keys/mine"')

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: make_secrets(load(path, {}), ()).service.key, range(24)))

    assert len(set(found)) == 1


def test_a_secret_made_meanwhile_is_kept(service, tmp_path, monkeypatch):
    (tmp_path / "mine").write_text("m" * 32)
    monkeypatch.setattr("pathlib.Path.exists", lambda _: False)

    assert service('secret = "file:mine"').key == b"m" * 32


def test_a_secrets_repr_tells_its_name_only(service):
    made = service('secret = "env:KEY"', KEY="k" * 40)

    assert "kkk" not in repr(made)
    assert "env:KEY" in repr(made)


def test_bytes_of_the_environment_that_are_no_text_are_a_key_too(service):
    odd = os.fsdecode(b"\xff" * 32)

    assert service('secret = "env:KEY"', KEY=odd).key == b"\xff" * 32


def test_a_file_that_may_not_be_read_is_told_with_its_owner_and_who_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "clinic").write_text("secret")
    monkeypatch.setattr(Path, "read_text", refuse)
    owner, reader = (pwd.getpwuid(number).pw_name for number in ((tmp_path / "clinic").stat().st_uid, os.geteuid()))

    told = rf"clinic cannot be read \(Permission denied\): it belongs to user {owner}, and user {reader} has to read it"
    with pytest.raises(ConfigError, match=told):
        resolve("file:clinic", tmp_path / "hookfold.toml", "sources.clinic.secrets", {})
