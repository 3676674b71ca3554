"""What is to be delivered is written with its event, leaves in the order of its stream, and is never lost."""

import random
import time
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import msgspec
import pytest

from adapters.server.handlers.backoff import LONGEST
from adapters.sql import Entry, GroupCommit, Log, Outbox, Reads, Recorder, RelayDesk, Settled
from adapters.sql.outbox.outbox import FARTHEST
from tests.support.logs import NOON, SECOND, Bench, rejection, wms

LEASE, DAY = 60 * SECOND, 86_400 * SECOND
WAITING = "SELECT position FROM relays ORDER BY position"


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    bench = Bench(database_url)
    yield bench
    bench.close()


def scan(bench: Bench, session: str, number: int) -> Entry:
    return msgspec.structs.replace(bench.entry("clinic", wms(session, number)), relay="/hook?a=1")


def fill(bench: Bench, *names: str) -> None:
    """One event of each of these sessions, in this order; numbered in each."""
    numbers: dict[str, int] = {}
    for name in names:
        numbers[name] = numbers.get(name, -1) + 1
        bench.append(scan(bench, name, numbers[name]))


class Worker:
    """A process that delivers, at a time that the test says."""

    def __init__(self, bench: Bench, name: str = "one") -> None:
        self.outbox = Outbox(bench.engine, name)
        self.now = NOON + SECOND * 3_600

    def take(self, *settled: Settled, room: int = 10) -> list[Any]:
        return self.outbox.turn("clinic", settled, room, self.now, self.now + LEASE).taken

    def positions(self, *settled: Settled) -> list[int]:
        return [one.position for one in self.take(*settled)]

    def delivered(self, held: Any) -> Settled:
        return Settled(held, self.now)

    def failed(self, held: Any, seconds: int) -> Settled:
        return Settled(held, self.now, self.now + seconds * SECOND, status=500)

    def dead(self, held: Any) -> Settled:
        return Settled(held, self.now, dead=True, status=500)


def test_a_row_is_written_with_a_new_event_alone(bench: Bench):
    entry = scan(bench, "s", 0)

    bench.log.append([entry, bench.entry("clinic", wms("s", 1))])
    bench.log.append([entry, rejection()])
    bench.log.append([scan(bench, "s", 2), scan(bench, "s", 2)])

    assert bench.rows("SELECT source, position, target, due FROM relays ORDER BY position") == [
        ("clinic", 1, "/hook?a=1", bench.rows("SELECT recorded_at FROM events WHERE position = 1")[0][0]),
        ("clinic", 3, "/hook?a=1", bench.rows("SELECT recorded_at FROM events WHERE position = 3")[0][0]),
    ]


def test_batches_that_are_sent_ahead_and_grouped_ones_write_it_too(bench: Bench):
    fill(bench, "first", "first")
    sent = [bench.log.begin([scan(bench, f"s{number}", 0)]) for number in range(3)]
    for one in sent:
        bench.log.finish(one)
    group = GroupCommit(bench.log.commit)

    group.append(scan(bench, "last", 0))

    assert bench.rows(WAITING) == [(position,) for position in range(1, 7)]


def test_what_is_not_committed_is_not_delivered(bench: Bench):
    def refuse(*_: Any) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        bench.log.append_with(scan(bench, "s", 0), refuse)

    assert bench.rows(WAITING) == []


def test_an_event_that_is_recorded_raw_is_delivered_all_the_same(bench: Bench):
    bench.append(msgspec.structs.replace(bench.entry("energy", {"x": 1}), relay=""))

    assert bench.rows("SELECT lane, target FROM relays") == [("1", "")]


def test_of_a_stream_the_oldest_is_taken_alone_and_the_next_one_once_it_is_settled(bench: Bench):
    fill(bench, "a", "a", "b", "a")
    worker = Worker(bench)

    first = worker.take()
    nothing = worker.take()
    second = worker.take(worker.delivered(first[0]))
    third = worker.take(worker.delivered(second[0]))

    assert [one.position for one in first] == [1, 3]
    assert nothing == []
    assert [one.position for one in second] == [2]
    assert [one.position for one in third] == [4]
    assert first[0].body == bench.rows("SELECT body FROM payloads WHERE position = 1")[0][0]
    assert worker.positions(worker.delivered(third[0]), worker.delivered(first[1])) == []
    assert bench.rows(WAITING) == []


def test_what_fails_keeps_its_stream_waiting_until_it_is_due_and_no_other(bench: Bench):
    fill(bench, "a", "a", "b")
    worker = Worker(bench)
    a, b = worker.take()

    at_once = worker.positions(worker.failed(a, 5), worker.delivered(b))
    worker.now += 5 * SECOND
    later = worker.take()

    assert at_once == []
    assert [(one.position, one.attempts, one.first_at) for one in later] == [(1, 1, worker.now - 5 * SECOND)]


def test_what_was_written_while_the_clock_was_ahead_is_due_once_it_is_right(bench: Bench):
    clock = [NOON + DAY]
    bench.log.close()
    bench.log = Log(bench.engine, bench.code, lambda: clock[0])
    fill(bench, "a", "b")
    worker = Worker(bench)
    worker.now = NOON + DAY
    a, b = worker.take()
    worker.take(worker.failed(a, 5))

    clock[0] = worker.now = NOON
    fill(bench, "c")
    (new,) = worker.take(room=1)
    others = worker.take()

    assert LONGEST < FARTHEST
    assert new.position == 3
    assert sorted(one.position for one in others) == [1, 2]
    assert worker.positions(worker.delivered(b)) == []
    assert worker.positions(*map(worker.delivered, others)) == []
    assert bench.rows(WAITING) == [(3,)]


def test_a_dead_one_stays_with_its_reason_and_lets_the_next_one_go(bench: Bench):
    fill(bench, "a", "a")
    worker = Worker(bench)

    next_ones = worker.positions(worker.dead(worker.take()[0]))

    assert next_ones == [2]
    assert bench.rows("SELECT position, status, due FROM relays WHERE dead_at IS NOT NULL") == [(1, 500, None)]


def test_what_is_appended_behind_a_parked_one_is_found(bench: Bench):
    fill(bench, "a", "a")
    worker = Worker(bench)
    (first,) = worker.take()

    bench.append(scan(bench, "a", 2))
    assert worker.positions() == []
    (second,) = worker.take(worker.delivered(first))
    (third,) = worker.take(worker.delivered(second))

    assert (second.position, third.position) == (2, 3)


def test_whoever_does_not_come_back_loses_what_he_held_and_settles_nothing_then(bench: Bench):
    fill(bench, "a", "a")
    one, other = Worker(bench), Worker(bench, "other")
    (held,) = one.take()

    early = other.positions()
    other.now += LEASE
    (again,) = other.take()
    late = one.positions(one.delivered(held))

    assert (early, again.position, late) == ([], 1, [])
    assert bench.rows(WAITING) == [(1,), (2,)]
    assert other.positions(other.delivered(again)) == [2]


def test_the_process_that_comes_in_a_dead_ones_place_goes_on_at_once(bench: Bench):
    fill(bench, "a", "b")
    Worker(bench).take()
    heir = Worker(bench)

    heir.outbox.release(heir.now)

    assert heir.positions() == [1, 2]


def test_what_is_held_stays_so_when_the_next_source_begins(bench: Bench):
    fill(bench, "a")
    worker, other = Worker(bench), Worker(bench, "other")
    worker.outbox.release(worker.now)
    worker.take()

    worker.outbox.release(worker.now)

    assert other.positions() == []


def test_what_was_erased_meanwhile_has_no_body(bench: Bench):
    fill(bench, "a")
    with bench.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE payloads SET body = NULL, headers = NULL, salt = NULL")

    (held,) = Worker(bench).take()

    assert (held.body, held.headers) == (None, [])


def test_a_paused_source_is_left_alone_and_what_was_done_is_in_the_log(bench: Bench):
    fill(bench, "a", "b")
    worker = Worker(bench)
    desk = RelayDesk(bench.engine, bench.log, Recorder(bench.append, lambda: NOON, "test"), lambda: NOON)
    reads = Reads(bench.engine)
    held, other = worker.take()

    desk.pause("clinic")
    desk.pause("clinic")
    bench.append(scan(bench, "c", 0))
    paused = worker.positions(worker.dead(held), worker.dead(other))
    told = reads.relay_state("clinic")
    desk.resume("clinic")
    going = worker.take()

    assert (paused, told.paused_at, told.waiting, told.dead) == ([], NOON, 1, 2)
    assert [one.position for one in going] == [5]
    assert (desk.retry("clinic", 1), desk.drop("clinic", 2), desk.retry("clinic", 77)) == (1, 1, 0)
    assert (worker.positions(), reads.relay_state("clinic").dead) == ([1], 0)
    kinds = [kind for (kind,) in bench.rows("SELECT type FROM events WHERE source = 'hookfold' ORDER BY position")]
    assert kinds == ["relay_paused", "relay_paused", "relay_resumed", "relay_retried", "relay_dropped"]


class Interrupted(Outbox):
    """Behind what it settles, and before it commits, `meanwhile` is called."""

    meanwhile: Callable[[], None]

    def _settle(self, *given: Any) -> None:
        super()._settle(*given)
        self.meanwhile()


def until_it_ends_or_waits(bench: Bench, thread: Thread) -> None:
    """For a lock of PostgreSQL that somebody else holds."""
    deadline = time.monotonic() + 30
    while thread.is_alive() and not bench.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):
        assert time.monotonic() < deadline
        thread.join(0.005)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # the only one with two writers at a time
def test_one_that_is_taken_while_the_one_before_it_is_being_settled_is_not_forgotten(bench: Bench):
    fill(bench, "a")
    one, other = Worker(bench), Worker(bench, "other")
    one.outbox = Interrupted(bench.engine, "one")
    (first,) = one.take()
    found: list[int] = []
    beside = Thread(target=lambda: found.extend(other.positions()))

    def meanwhile() -> None:
        bench.append(scan(bench, "a", 1))
        beside.start()
        until_it_ends_or_waits(bench, beside)

    one.outbox.meanwhile = meanwhile
    one.take(one.delivered(first), room=0)
    beside.join(60)

    assert [*found, *other.positions()] == [2]


def test_several_that_deliver_at_once_keep_the_order_of_each_stream(bench: Bench):
    names = "abcde"
    fill(bench, *(random.Random(7).choice(names) for _ in range(36)))
    lanes = dict(bench.rows("SELECT position, lane FROM relays"))
    done: list[int] = []

    def deliver(name: str) -> None:
        worker, chance = Worker(bench, name), random.Random(name)
        settled: list[Settled] = []
        while bench.rows(WAITING):
            taken, settled = worker.take(*settled, room=4), []
            for one in taken:
                if chance.random() < 0.3:
                    settled.append(worker.failed(one, 0))
                else:
                    done.append(one.position)
                    settled.append(worker.delivered(one))

    threads = [Thread(target=deliver, args=(name,)) for name in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(done) == list(range(1, 37))
    for lane in set(lanes.values()):
        own = [position for position in done if lanes[position] == lane]
        assert own == sorted(own)
