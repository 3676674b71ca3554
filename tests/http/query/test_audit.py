"""`/v1/audit`: what an outsider asks of the log."""

from base64 import b64decode
from collections.abc import Iterator

import pytest

from adapters.audit import CheckpointSigner, CurrentKey
from adapters.sql import Tree, open_engine
from tests.support.audited import SIGNING
from tests.support.house import House, wms
from tests.support.merkle_proofs import extends
from tests.support.signed import holds, leads_to, root_of


@pytest.fixture
def signed(database_url: str) -> Iterator[House]:
    """A house with a signer, and twenty events."""
    engine = open_engine(database_url)
    made = House(database_url, signer=CheckpointSigner(Tree(engine), CurrentKey(SIGNING)))
    _grow(made, 20)
    yield made
    made.close()
    engine.dispose()


def _grow(house: House, count: int) -> None:
    head = house.api.reads.head()
    for number in range(head, head + count):
        house.send("clinic", wms("scan", number))


def _text(house: House, path: str, **parameters: object) -> str:
    answer = house.client.get(path, query_string=parameters)
    assert (answer.status_code, answer.content_type) == (200, "text/plain; charset=utf-8")
    text: str = answer.get_data(as_text=True)
    return text


def test_the_first_question_makes_the_first_checkpoint_and_the_next_one_finds_it(signed: House):
    note = _text(signed, "/v1/audit/checkpoint")
    _grow(signed, 1)

    assert root_of(note)[0] == 20
    assert _text(signed, "/v1/audit/checkpoint") == note


def test_a_fresh_one_covers_what_is_there_now(signed: House):
    _text(signed, "/v1/audit/checkpoint")
    _grow(signed, 3)

    note = _text(signed, "/v1/audit/checkpoint", fresh="true")

    assert root_of(note)[0] == 23
    assert _text(signed, "/v1/audit/checkpoint", size=23) == note
    assert root_of(_text(signed, "/v1/audit/checkpoint", size=20))[0] == 20
    assert "22" in signed.problem("/v1/audit/checkpoint", 404, size=22)["detail"]


def test_the_key_is_told_as_a_verifier_key(signed: House):
    assert _text(signed, "/v1/audit/key") == f"{SIGNING.key}\n"


def test_every_event_is_proven_to_be_under_the_checkpoint(signed: House):
    for position in range(1, 21):
        proof = signed.get("/v1/audit/proof", position=position)

        assert (proof["kind"], proof["index"], proof["size"]) == ("inclusion", position - 1, 20)
        assert leads_to(proof) == b64decode(proof["root"]) == root_of(proof["checkpoint"])[1]


def test_a_proof_comes_as_a_file_for_any_verifier(signed: House):
    leaf = b64decode(signed.get("/v1/audit/proof", position=7)["leaf"])

    file = _text(signed, "/v1/audit/proof", position=7, format="tlog-proof")

    assert file.startswith("c2sp.org/tlog-proof@v1\nindex 6\n")
    assert holds(file, leaf)


def test_an_event_can_be_proven_in_any_log_that_held_it(signed: House):
    proof = signed.get("/v1/audit/proof", position=7, size=9)

    assert (proof["size"], proof["checkpoint"]) == (9, None)
    assert leads_to(proof) == b64decode(signed.get("/v1/audit/proof", **{"from": 9, "to": 20})["from_root"])
    signed.problem("/v1/audit/proof", 404, position=7, size=9, format="tlog-proof")


def test_the_log_is_proven_to_have_only_grown(signed: House):
    size, root = root_of(_text(signed, "/v1/audit/checkpoint"))
    _grow(signed, 13)
    later_size, later_root = root_of(_text(signed, "/v1/audit/checkpoint", fresh="true"))

    proof = signed.get("/v1/audit/proof", **{"from": size, "to": later_size})

    assert (proof["kind"], proof["from"], proof["to"]) == ("consistency", 20, 33)
    assert extends(size, later_size, root, later_root, [b64decode(part) for part in proof["path"]])


@pytest.mark.parametrize(
    ("asked", "parameter"),
    [
        ({}, None),
        ({"position": 1, "from": 1, "to": 2}, None),
        ({"from": 1, "to": 2, "size": 2}, None),
        ({"size": 5}, None),
        ({"position": 0}, "position"),
        ({"position": 21}, "position"),
        ({"position": 1, "size": 21}, "size"),
        ({"position": 1, "size": 0}, "size"),
        ({"position": 6, "size": 5}, "position"),
        ({"from": 1}, "to"),
        ({"to": 1}, "from"),
        ({"from": 0, "to": 1}, "from"),
        ({"from": 2, "to": 1}, "from"),
        ({"from": 1, "to": 21}, "to"),
        ({"from": 1, "to": 2, "format": "tlog-proof"}, "format"),
        ({"position": 1, "format": "pdf"}, "format"),
        ({"position": "one"}, "position"),
        ({"from_": 1, "to": 2}, "from_"),
    ],
)
def test_what_cannot_be_proven_is_refused_by_name(signed: House, asked: dict[str, object], parameter: str | None):
    assert signed.problem("/v1/audit/proof", 400, **asked).get("parameter") == parameter


def test_an_empty_log_has_no_checkpoint_yet(database_url: str):
    engine = open_engine(database_url)
    house = House(database_url, signer=CheckpointSigner(Tree(engine), CurrentKey(SIGNING)))

    problem = house.problem("/v1/audit/checkpoint", 404)

    house.close()
    engine.dispose()
    assert "empty" in problem["detail"]


def test_where_nobody_signs_it_says_so(house: House):
    for path in ("/v1/audit/checkpoint", "/v1/audit/key", "/v1/audit/proof?position=1"):
        house.problem(path, 404)
