"""Whatever is altered behind the triggers, byte by byte and row by row: the verification fails and says where."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice, pairwise
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Column, Connection, LargeBinary, Table, Text, and_, cast, delete, insert, select, update
from sqlalchemy.exc import DataError, IntegrityError

from adapters.sql.database.tables import checkpoints, events, nodes, payloads, retractions
from core.proofs.leaf import Columns
from core.proofs.note import Checkpoint
from tests.support.audited import SIGNING, Audited

COUNT = 36
CHECKPOINTS = (10, 25, COUNT)
WHOLE = {11, 12, 13, 14, 15, 16, COUNT}
"""Positions of which every byte is altered: one of every kind, beside a node's edge, and the last one."""

STRIDE = 23
"""Of the other events, every 23rd byte."""

ON_POSTGRESQL = 4
"""Of all these, one in four is altered on PostgreSQL, too: what a byte means to the tree has no part in it."""

SINGLE = 1 << 63


class Change(NamedTuple):
    """A statement that alters something, and the positions among which the finding has to be."""

    what: str
    statement: Any
    first: int
    last: int


@pytest.fixture(scope="module")
def log(shared_database_url: str) -> Iterator[Audited]:
    """36 events, two nodes, three checkpoints; nothing refuses a change, and every test takes its changes back."""
    audited = Audited(shared_database_url)
    yield _of_every_kind(audited)
    audited.close()


def _of_every_kind(audited: Audited) -> Audited:
    appended = 0
    for size in CHECKPOINTS:
        audited.grow_of_every_kind(appended, size)
        audited.signer.checkpoint()
        appended = size
    audited.drop_triggers()
    assert audited.verify().wrong is None
    return audited


def test_any_single_byte_of_an_event(log: Audited):
    rows = _rows(log, events)

    assert _undetected_bytes(log, (change for row in rows for change in _altered(events, row, row.position))) == []


def test_any_single_byte_of_a_payload(log: Audited):
    rows = _rows(log, payloads)

    assert _undetected_bytes(log, (change for row in rows for change in _altered(payloads, row, row.position))) == []


def test_any_single_byte_of_a_payload_that_was_imported_or_erased(audited: Audited):
    audited.take(0, 2)
    audited.grow_of_every_kind(1, 6)
    for name in ("session", "s-4"):
        audited.erase(audited.stream("session", "captions" if name == "s-4" else "clinic", name))
    audited.signer.checkpoint()
    audited.drop_triggers()
    rows = [row for row in _rows(audited, payloads) if row.origin is not None or row.erased is not None]
    assert audited.verify().wrong is None
    assert [row.origin is None for row in rows].count(False) == 2
    assert len({row.erased for row in rows} - {None}) == 2

    changes = [change for row in rows for change in _altered(payloads, row, row.position, whole=True)]

    assert _undetected(audited, changes) == []


def test_any_single_byte_of_a_node(log: Audited):
    def changes() -> Iterator[Change]:
        for row in _rows(log, nodes):
            first = row.place << row.level
            yield from _within(_altered(nodes, row, COUNT), first + 1, first + (1 << row.level))

    assert _undetected_bytes(log, changes()) == []


def test_any_single_byte_of_a_checkpoint(log: Audited):
    def changes() -> Iterator[Change]:
        for row in _rows(log, checkpoints):
            yield from _within(_altered(checkpoints, row, COUNT), row.size, row.size)

    assert _undetected_bytes(log, changes()) == []


@pytest.mark.parametrize("table", [events, payloads, nodes, checkpoints])
def test_any_row_that_is_deleted(log: Audited, table: Table):
    changes = [
        Change(f"{table.name} without {key}", delete(table).where(_same(table, row)), *_extent(table, row))
        for row in _rows(log, table)
        for key in [row[:2]]
    ]

    assert len(changes) >= 2
    assert _undetected(log, changes) == []


@pytest.mark.parametrize("table", [events, payloads, nodes, checkpoints])
def test_any_two_rows_that_change_places(log: Audited, table: Table):
    """All but the key is swapped: for events, another's columns under one's own position, and the leaf with them."""
    rows = _rows(log, table)
    for one, other in pairwise(rows):
        (first, _), (_, last) = _extent(table, one), _extent(table, other)
        change = Change(f"{table.name}: {one[:2]} and {other[:2]}", None, first, last)

        verdict = _tried(log, partial(_swap, table=table, one=one, other=other))

        if table is payloads and one[2:] == other[2:]:
            continue
        assert verdict is not None, change
        assert verdict.wrong is not None, change
        assert first <= verdict.wrong.position <= last, (change, verdict)


def test_rows_that_are_put_in(log: Audited):
    event, payload = _rows(log, events)[4]._asdict(), _rows(log, payloads)[4]._asdict()
    other, key = {"source": "another"}, {"key": b"\xff" * 32}
    node, checkpoint = {"level": 4, "hash": bytes(32)}, _rows(log, checkpoints)[0]._asdict()
    changes = [
        Change("a second event at a position", insert(events).values(event | other), 5, 5),
        Change("an event before the first", insert(events).values(event | key | {"position": 0}), 0, 0),
        Change(
            "an event behind the last", insert(events).values(event | key | {"position": COUNT + 1}), *_at(COUNT + 1)
        ),
        Change("an event far behind", insert(events).values(event | key | {"position": COUNT + 9}), *_at(COUNT + 1)),
        Change("a payload of no event", insert(payloads).values(payload | other), 5, 5),
        Change("a payload behind the last", insert(payloads).values(payload | {"position": 99}), 99, 99),
        Change("a node of the next events", insert(nodes).values(node | {"place": 2}), *_at(33)),
        Change("a node of another level", insert(nodes).values(node | {"place": 0, "level": 5}), 1, 1),
        Change("a checkpoint again", insert(checkpoints).values(checkpoint | {"number": 4, "size": 37}), 10, 37),
        Change("a checkpoint between", insert(checkpoints).values(checkpoint | {"number": 0, "size": 5}), 1, 5),
    ]

    assert _undetected(log, changes) == []


def test_a_retraction_that_no_event_tells_of_and_one_that_is_told_of_and_gone(audited: Audited):
    log = _of_every_kind(audited)
    log.retractor.retract(4, "forged")
    log.retractor.retract(9, "forged")
    log.signer.checkpoint()
    assert log.verify().wrong is None
    skip = insert(retractions).values(source="clinic", position=6, retraction=COUNT + 1)
    changes = [
        Change("an event is skipped", skip, *_at(6)),
        Change("as another event tells", skip.values(retraction=3), *_at(6)),
        Change("as none tells", skip.values(retraction=COUNT), *_at(6)),
        Change("one of no source", skip.values(source="nobody"), *_at(6)),
        Change("one is not skipped any more", delete(retractions).where(retractions.c.position == 9), *_at(9)),
        Change("none is", delete(retractions), *_at(4)),
    ]

    bytes_ = [change for row in _rows(log, retractions) for change in _altered(retractions, row, COUNT)]

    assert _undetected(log, changes) == []
    assert _undetected(log, _within(iter(bytes_), -SINGLE, COUNT)) == []


def test_an_event_that_was_forged_with_its_leaf_is_told_by_the_next_node_or_checkpoint(log: Audited):
    for row in _rows(log, events):
        forged = update(events).where(_same(events, row)).values(verified_by="nobody", leaf=_leaf(log, row))

        verdict = _tried(log, partial(_run, statement=forged))

        assert verdict is not None
        assert verdict.wrong is not None
        assert verdict.wrong.position <= row.position <= verdict.wrong.until
        assert verdict.wrong.until - verdict.wrong.position < 16


def test_a_log_that_is_cut_is_told_by_what_it_signed_before(log: Audited):
    for size in range(COUNT):
        verdict = _tried(log, partial(_cut, size=size))

        assert verdict is not None
        assert verdict.wrong is not None
        assert verdict.wrong.position <= size + 1 <= verdict.wrong.until


def test_a_log_that_is_forged_as_a_whole_is_told_by_a_checkpoint_that_was_kept_elsewhere(log: Audited):
    honest = log.verify()
    kept = Checkpoint(SIGNING.key.name, 30, bytes(32))

    verdict = log.verify(kept)

    assert honest.wrong is None
    assert verdict.wrong is not None
    assert (verdict.wrong.position, verdict.wrong.until, verdict.wrong.what) == (26, 30, "log")


def _undetected_bytes(log: Audited, changes: Iterable[Change]) -> list[Any]:
    """The same, of very many changes that are alike."""
    step = ON_POSTGRESQL if log.engine.dialect.name == "postgresql" else 1
    return _undetected(log, islice(changes, 0, None, step))


def _undetected(log: Audited, changes: Iterable[Change]) -> list[Any]:
    """The changes that were not found, or not where they are. What the database itself refuses is no change."""
    missed, tried = [], 0
    for change in changes:
        verdict = _tried(log, partial(_run, statement=change.statement))
        if verdict is None:
            continue
        tried += 1
        wrong = verdict.wrong
        if wrong is None or not (wrong.position <= change.last and change.first <= wrong.until):
            missed.append((change.what, change.first, change.last, wrong))
    assert tried > 0
    return missed[:10]


def _tried(log: Audited, change: Callable[[Connection], Any]) -> Any:
    """What a verification says while the change is there; it is taken back afterwards. None: refused."""
    with log.engine.connect() as connection:
        try:
            change(connection)
        except (DataError, IntegrityError):
            return None
        verdict = log.verify(connection=connection)
        connection.rollback()
    return verdict


def _altered(table: Table, row: Any, position: int, *, whole: bool = False) -> Iterator[Change]:
    """Single bytes of a row's values, one bit of each; an empty value becomes one that is not."""
    whole = whole or position in WHOLE or table in {nodes, checkpoints}
    number = position
    for column in table.columns:
        value = getattr(row, column.name)
        for altered, shown in _values(column, value):
            number += 1
            if whole or number % STRIDE == 0:
                at = _first(table, column, position, altered)
                statement = update(table).where(_same(table, row)).values({column.name: altered})
                yield Change(f"{table.name}.{column.name} of {row[:2]}: {value!r} to {shown}", statement, at, at)


def _values(column: Column[Any], value: Any) -> Iterator[tuple[Any, Any]]:
    if value is None:
        given: Any = b"x" if isinstance(column.type, LargeBinary) else "x" if isinstance(column.type, Text) else 1
        yield given, given
    elif isinstance(value, int):
        yield from ((changed, changed) for changed in map(_signed, (value ^ 1 << 8 * at + at for at in range(8))))
    elif isinstance(value, str):
        yield from ((_text(changed), changed) for changed in _bytes(value.encode()))
    else:
        yield from ((changed, changed) for changed in _bytes(bytes(value)))
        other = b"" if value else b"x"
        yield other, other


def _bytes(value: bytes) -> Iterator[bytes]:
    for at, byte in enumerate(value):
        mask = 1 << at % 7
        mask = mask if byte != mask else 3  # NUL is in no text of PostgreSQL
        yield value[:at] + bytes([byte ^ mask]) + value[at + 1 :]


def _text(value: bytes) -> Any:
    return value.decode()


def _signed(value: int) -> int:
    return value - (SINGLE << 1) if value >= SINGLE else value


def _first(table: Table, column: Column[Any], position: int, altered: Any) -> int:
    """A position that became a smaller one is wrong there first."""
    moved = table is events and column.name == "position" and 0 < altered < position
    return altered if moved else position


def _within(changes: Iterator[Change], first: int, last: int) -> Iterator[Change]:
    return (change._replace(first=first, last=last) for change in changes)


def _at(position: int) -> tuple[int, int]:
    return position, position


def _extent(table: Table, row: Any) -> tuple[int, int]:
    """The positions that a row is about."""
    if table is nodes:
        return (row.place << row.level) + 1, (row.place + 1) << row.level
    return _at(row.size if table is checkpoints else row.position)


def _same(table: Table, row: Any) -> Any:
    return and_(*(column == getattr(row, column.name) for column in table.primary_key))


def _rows(log: Audited, table: Table) -> list[Any]:
    order = [table.c.position] if "position" in table.c else list(table.primary_key)
    with log.engine.connect() as connection:
        return list(connection.execute(select(table).order_by(*order)))


def _run(connection: Connection, statement: Any) -> None:
    connection.execute(statement)


def _swap(connection: Connection, table: Table, one: Any, other: Any) -> None:
    kept = {column.name for column in table.primary_key} | {"key"}
    for row, given in ((one, other), (other, one)):
        values = {name: value for name, value in given._asdict().items() if name not in kept}
        if table is checkpoints:
            values["size"] = row.size
        connection.execute(update(table).where(_same(table, row)).values(values))


def _cut(connection: Connection, size: int) -> None:
    connection.execute(delete(events).where(events.c.position > size))
    connection.execute(delete(payloads).where(payloads.c.position > size))


def _leaf(log: Audited, row: Any) -> bytes:
    """The leaf as a forger would make it, for another `verified_by`."""
    from core.header_codec import unpack
    from core.proofs.leaf import commitment, leaf

    payload = next(found for found in _rows(log, payloads) if found.position == row.position)
    sealed = commitment(payload.salt, unpack(payload.headers), payload.body).hex()
    columns = row._asdict() | {"verified_by": "nobody", "key": row.key.hex(), "commitment": sealed}
    return leaf(Columns(**{name: columns[name] for name in Columns.__struct_fields__}))


def test_the_leaf_covers_every_column_of_an_event():
    covered = set(Columns.__struct_fields__) - {"commitment"}

    assert covered == {column.name for column in events.columns} - {"leaf"}


def test_text_that_is_no_text_is_found_on_sqlite(log: Audited):
    if log.engine.dialect.name != "sqlite":
        return  # PostgreSQL's text is always text
    for row in _rows(log, events):
        broken = update(events).where(_same(events, row)).values(reading=cast(b"\xff\xfe", Text))

        verdict = _tried(log, partial(_run, statement=broken))

        assert verdict is not None
        assert verdict.wrong is not None
        assert verdict.wrong.position == row.position
