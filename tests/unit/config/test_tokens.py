"""Tokens of the query API: by reference, long enough, each its own; a wrong one stops the start."""

import pytest

from adapters.config import ConfigError, Scope, Secret, Token, load

DASHBOARD, AUDITOR = "dashboard-token-0123456789", "auditor-token-0123456789"
ENV = {
    "DASHBOARD_TOKEN": DASHBOARD,
    "AUDITOR_TOKEN": AUDITOR,
    "SAME_TOKEN": DASHBOARD,
    "SHORT": "hunter2hunter2x",
    "SPACED": "hunter2 hunter2 hunter2",
    "ACCENTED": "hünter2hünter2hünter2",
    "INNER": "hunter2=hunter2=hunter2",
    "PADDED": "aHVudGVyMmh1bnRlcjI==",
    "NOTHING": " ",
}


@pytest.fixture
def tokens(tmp_path):
    """The tokens of a file with that text."""

    def loaded(text):
        (tmp_path / "hookfold.toml").write_text(text)
        return load(tmp_path / "hookfold.toml", ENV).tokens

    return loaded


def one(secret="'env:DASHBOARD_TOKEN'", scopes='["read"]', name="dashboard"):
    """A file with one token."""
    return f"[tokens.{name}]\nsecret = {secret}\nscopes = {scopes}\n"


def test_without_any_there_is_none(tokens):
    assert tokens("") == {}


def test_tokens_come_from_the_environment_and_from_files_with_what_they_may_do(tokens, tmp_path):
    (tmp_path / "auditor").write_text(f"{AUDITOR}\n")

    found = tokens(one() + one("'file:auditor'", '["act", "raw", "raw"]', "auditor"))

    assert found == {
        "dashboard": Token("dashboard", Secret("env:DASHBOARD_TOKEN", DASHBOARD), (Scope.READ,)),
        "auditor": Token("auditor", Secret("file:auditor", AUDITOR), (Scope.RAW, Scope.ACT)),
    }


def test_a_token_may_be_limited_to_sources(tokens):
    sources = "".join(f"[sources.{name}]\nprovider = 'augmentos'\n" for name in ("a", "b", "c"))

    found = tokens(sources + one() + "sources = ['b', 'a', 'b']\n" + one("'env:AUDITOR_TOKEN'", name="auditor"))

    assert (found["dashboard"].sources, found["dashboard"].only) == (("a", "b"), {"a", "b"})
    assert (found["auditor"].sources, found["auditor"].only) == ((), None)


def test_base64_with_its_padding_is_a_token(tokens):
    assert tokens(one("'env:PADDED'"))["dashboard"].secret.value.endswith("==")


WRONG = [
    ("tokens = 3", "tokens", "make it a table: [tokens]"),
    ("[tokens]\ndashboard = 'x'", "tokens.dashboard", "make it a table: [tokens.dashboard]"),
    (one(name="Dashboard"), "tokens.Dashboard", "name it with up to 63"),
    (one(name="local"), "tokens.local", "and not local"),
    (one() + "scope = 'read'", "tokens.dashboard.scope", "take one of scopes, secret, sources"),
    ("[tokens.dashboard]\nscopes = ['read']", "tokens.dashboard.secret", 'write "env:NAME" or "file:PATH"'),
    (one("'hunter2hunter2hunter2'"), "tokens.dashboard.secret", "secrets do not stand in this file"),
    (one("'env:ABSENT'"), "tokens.dashboard.secret", "the environment has no ABSENT"),
    (one("'env:NOTHING'"), "tokens.dashboard.secret", "the environment has no NOTHING"),
    (one("'file:absent'"), "tokens.dashboard.secret", "absent cannot be read (No such file"),
    (one("'env:SHORT'"), "tokens.dashboard.secret", "env:SHORT is shorter than 16 characters"),
    (one("'env:SPACED'"), "tokens.dashboard.secret", "digits and - . _ ~ + / only, and = at its end alone"),
    (one("'env:INNER'"), "tokens.dashboard.secret", "env:INNER cannot be sent as a bearer token"),
    (one("'env:ACCENTED'"), "tokens.dashboard.secret", "env:ACCENTED cannot be sent as a bearer token"),
    ("[tokens.dashboard]\nsecret = 'env:DASHBOARD_TOKEN'", "tokens.dashboard.scopes", "some of read, raw, act"),
    (one(scopes="[]"), "tokens.dashboard.scopes", "some of read, raw, act"),
    (one(scopes="'read'"), "tokens.dashboard.scopes", "some of read, raw, act"),
    (one(scopes="['read', 'write']"), "tokens.dashboard.scopes", "some of read, raw, act"),
    (one(scopes="[['read']]"), "tokens.dashboard.scopes", "some of read, raw, act"),
    (one() + "sources = []", "tokens.dashboard.sources", "once there are some; without it, all"),
    (one() + "sources = 'a'", "tokens.dashboard.sources", "list the only sources that it is to see"),
    (one() + "sources = ['b']\n[sources.a]\nprovider='augmentos'", "tokens.dashboard.sources", "some of a; without it"),
    (one() + one("'env:SAME_TOKEN'", name="other"), "tokens.other.secret", "holds the secret of tokens.dashboard"),
]


@pytest.mark.parametrize(("text", "key", "mend"), WRONG)
def test_a_wrong_token_stops_the_start_with_the_mend_and_is_not_told(tokens, tmp_path, text, key, mend):
    with pytest.raises(ConfigError) as stopped:
        tokens(text)

    told = str(stopped.value)
    assert told.startswith(f"{tmp_path / 'hookfold.toml'}: {key}: ")
    assert mend in told
    assert "hunter2" not in told
    assert DASHBOARD not in told
