"""What the API tells: every answer's fields. Instants are ISO 8601 text, UTC, with microseconds."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Ours = Annotated[str, Meta(description="Our id.")]
ErasedBy = Annotated[
    int | None, Meta(description="The position of the event that tells that bodies of this were erased; else null.")
]


class Anomaly(msgspec.Struct):
    """A recorded irregularity; `position` is that of its event."""

    kind: str
    position: int
    detail: str


class Run(msgspec.Struct):
    """One life of a stream whose id the provider uses again. `restarted`: it was stopped and started anew at once."""

    run: int
    started_at: Time | None
    ended_at: Time | None
    ended_by: str | None
    reason: str | None
    duration_s: float | None
    restarted: bool


class Machine(msgspec.Struct):
    """The machine that folded this, by name and fingerprint."""

    name: str
    fingerprint: str


class Folded(msgspec.Struct, kw_only=True):
    """What every folded stream has.

    `first_at` and `last_at` span its events' `occurred_at`; `position` is that of the last event folded; `events`
    counts them; `unsigned`: no signature protects some of them. `anomalies` are the newest 100; `anomaly_counts` counts
    all of them by kind. `derived` depends on the time of the question: it is
    no part of the ETag.
    """

    id: Ours
    source: str
    provider: str | None
    state: str
    outcome: str | None
    anomalies: list[Anomaly]
    anomaly_counts: dict[str, int]
    unsigned: bool
    events: int
    position: int
    first_at: Time | None
    last_at: Time | None
    erased: ErasedBy
    derived: dict[str, Any]
    machine: Machine


class Session(Folded, kw_only=True):
    """A session. `data` holds the latest documented fields that are none of the others.

    `run_count` counts the runs; `runs` holds the newest 20 of them, the last one alone in a row of a list.
    """

    session_id: str | None
    user_id: str | None
    regions: dict[str, str]
    run: int
    run_count: int
    runs: list[Run]
    data: dict[str, Any]


class Action(Folded, kw_only=True):
    """An action. `command` is the action's kind by whichever name the provider gave it; `device` is our id.

    `completed_at` and `failed_at` are null where the provider told no time; its own words stand in the event's `data`.
    """

    action_id: str | None
    device: Ours | None
    device_id: Any
    device_type: Any
    command: Any
    action_type: Any
    parameters: Any
    result: Any
    error_code: Any
    error_message: Any
    event_id: Any
    completed_at: Time | None
    failed_at: Time | None


class Device(Folded, kw_only=True):
    """A device; `unknown` where an action only mentioned it."""

    device_id: str | None
    device_type: Any
    reconnection_url: Any


class Registration(Folded, kw_only=True):
    """A registration of an app's server."""

    registration_id: str | None
    package_name: Any
    server_urls: Any
    session_id: Any
    user_id: str | None


class Snr(msgspec.Struct):
    """A signal-to-noise ratio in decibels; `sequence` numbers the chunk."""

    sequence: int | None
    snr: float | None
    at: Time | None
    position: int


class Measurement(msgspec.Struct, kw_only=True):
    """A measurement.

    `session` is our id; `steps` tells when each event of it occurred; `complete`: no hole in its part of the
    sequence, from its start to its end, or so far. `snr` holds the newest 200 chunks of `snr_count`, `anomalies` the
    newest 100 of those that `anomaly_counts` counts by kind.
    """

    id: Ours
    source: str
    provider: str | None
    measurement_id: str | None
    session: Ours
    session_id: str | None
    run: int
    state: str
    outcome: str | None
    steps: dict[str, Time | None]
    snr: list[Snr]
    snr_count: int
    anomalies: list[Anomaly]
    anomaly_counts: dict[str, int]
    complete: bool
    position: int
    started_at: Time | None
    ended_at: Time | None
    erased: ErasedBy
    machine: Machine


class ErasureRecord(msgspec.Struct):
    """When bodies of something were erased, by whom and why, as the event at `position` tells.

    The rest is null where an import left that event out.
    """

    position: int
    at: Time | None
    by: str | None
    reason: str | None


class Step(msgspec.Struct, kw_only=True, rename={"from_": "from"}):
    """An entry of a timeline: an `event`, a `gap`, an `erased` or a `retracted` event.

    An event moved `region` from `from` to `to` by `rule`; where nothing moved, `reason` says why. `before` and `after`
    have every region, `guards` what each condition that was asked said. `after_s`: since the event before, `delay_s`:
    from the provider's clock to ours (negative: theirs is ahead). `duplicates` and `conflicts` count how often its key
    came again. `verified_by` names the secret that matched; null: nothing verified it.
    A gap tells the numbers that never came before the event at `position`.
    """

    entry: Literal["event", "gap", "erased", "retracted"]
    position: int
    type: str | None
    sequence: int | None
    occurred_at: Time | None
    received_at: Time | None
    recorded_at: Time | None
    verified_by: str | None
    after_s: float | None
    delay_s: float | None
    run: int
    measurement_id: str | None
    region: str | None
    from_: str | None
    to: str | None
    before: dict[str, str]
    after: dict[str, str]
    rule: str | None
    reason: str | None
    guards: dict[str, bool]
    anomalies: list[Anomaly]
    duplicates: int
    conflicts: int
    data: dict[str, Any]


class Origin(msgspec.Struct):
    """Where an imported event stood in the log that it was first recorded in, and since when."""

    position: int
    recorded_at: Time


class Awaited(msgspec.Struct):
    """An event that would move the machine on, to which state, and under which condition if any."""

    trigger: str
    to: str
    when: str | None


class Stop(msgspec.Struct):
    """What can be known of the end of a run; `words` tell it."""

    run: int
    words: str


class Why(msgspec.Struct, kw_only=True):
    """Why something is in its state. `sentence` says the most of it; its times are UTC.

    `chain`: the events that brought the present run there; `unmoved`: those that did not move it, with the reason and
    the conditions that refused. `left_out` counts older ones; asked with `before`, `earlier` gives those before these.
    `waits_for`: what would move it on. `stops`: how runs of glasses ended, as far as it can be known. `derived` tells
    the deadline, and by how much it is overdue.
    `erasure`: what brought it there before is gone; states, outcomes, runs and times are left. Null: nothing is.
    """

    id: Ours
    sentence: str
    machine: Machine
    state: str
    regions: dict[str, str]
    outcome: str | None
    run: int
    chain: list[Step]
    unmoved: list[Step]
    left_out: int
    earlier: int | None
    waits_for: list[Awaited]
    stops: list[Stop]
    erasure: ErasureRecord | None
    derived: dict[str, Any]


class Changed(msgspec.Struct):
    """A field before and after."""

    before: Any
    after: Any


class Learnt(msgspec.Struct, kw_only=True):
    """An event recorded in between, and what it changed. `late`: one that follows it in sequence was known before."""

    position: int
    type: str
    sequence: int | None
    occurred_at: Time | None
    recorded_at: Time
    late: bool
    changed: dict[str, Changed]


class Compared(msgspec.Struct, kw_only=True):
    """What became known between two positions of the log; `as_of` bounds both sides.

    `before` and `after` are the thing as it was known at each (null: nothing was), `changed` their fields that differ.
    `learnt` tells the events that came in between, as they were recorded; `came` counts them, `late` the late ones.
    """

    id: Ours
    from_position: int
    to_position: int
    as_of: Time | None
    before: Any
    after: Any
    changed: dict[str, Changed]
    came: int
    late: int
    learnt: list[Learnt]


class Finding(msgspec.Struct, kw_only=True):
    """One thing that is not whole; `measurement` is our id of the one that it belongs to.

    `what`: missing, late, doubled, conflict, overlap, undecodable, unknown_type, never_ended, overdue or
    presumed_ended. `lost`: something is gone, hangs or is contradicted (missing, never_ended, overdue, conflict); the
    rest is irregular, and costs nobody a state. `position`: of the event that shows it; `since`: since when it is due.
    """

    what: str
    lost: bool
    detail: str
    position: int | None
    since: Time | None
    measurement: Ours | None
    measurement_id: str | None


class Incomplete(msgspec.Struct, kw_only=True):
    """A session or an action of which something is not whole. `lost` and `irregular` count its findings."""

    kind: str
    id: Ours
    source: str
    provider: str | None
    session_id: str | UnsetType | None = UNSET
    action_id: str | UnsetType | None = UNSET
    state: str
    lost: int
    irregular: int
    findings: list[Finding]


class SourceHealth(msgspec.Struct, kw_only=True):
    """When a source was heard last. `position`: of its last event; `delay_s`: from its clock to ours, at that event.

    `derived` has `silent`: whether that is too long ago (`silent_after_s`); and `silent_for_s`: the seconds since then,
    null where nothing was ever heard.
    """

    source: str
    provider: str | None
    position: int | None
    last_received_at: Time | None
    delay_s: float | None
    derived: dict[str, bool | float | None]


class Completeness(msgspec.Struct):
    """Every source, and a page of what is not whole. `examined`: by kind, how many the page looked at."""

    sources: list[SourceHealth]
    examined: dict[str, int]
    data: list[Incomplete]
    next_cursor: str | None


class Count(msgspec.Struct, kw_only=True):
    """How many of a kind are in a state, with an outcome or null."""

    kind: str
    source: str
    state: str
    outcome: str | None
    count: int


class LastDay(msgspec.Struct, kw_only=True):
    """What is of the 24 hours before `now`, by when it was recorded: `counts` of what an event touched, since `since`.

    A measurement counts where it began since then. `sources`: when each was heard last.
    """

    since: Time
    counts: list[Count]
    sources: list[SourceHealth]


class AnomalyCount(msgspec.Struct, kw_only=True):
    """How many of a kind have an anomaly."""

    kind: str
    source: str
    anomaly: str
    count: int


class Dropped(msgspec.Struct, kw_only=True):
    """How many visits came to a step and no further, and the type of the event that ended them.

    It is null where nothing has.
    """

    ended_by: str | None
    count: int


class FunnelStep(msgspec.Struct, kw_only=True):
    """A step of a visit, how many came to it, and what became of those that came no further."""

    step: str
    reached: int
    dropped: list[Dropped]


class Funnel(msgspec.Struct, kw_only=True):
    """How far the newest visits of a wms source came, in all their runs.

    The newest 5,000 events of such sources tell of them, as many of each.
    """

    source: str
    visits: int
    steps: list[FunnelStep]


class MisreadCount(msgspec.Struct, kw_only=True):
    """Events of a source whose bodies could not be read as documented: `/v1/events?source=&reading=` lists them."""

    source: str
    reading: str
    count: int


class Overview(msgspec.Struct, kw_only=True):
    """What is going on. `position`: the log's last one; `lag`: by how many positions the states told are behind it.

    `counts` are of the newest of each kind, at most `newest`, and `anomalies` of the newest that have any; `unbuilt`:
    this release has folded nothing yet, so there are none of either. `misread`: of each reading the newest, as many.
    """

    position: int
    lag: int
    unbuilt: bool
    newest: int
    counts: list[Count]
    anomalies: list[AnomalyCount]
    misread: list[MisreadCount]
    funnels: list[Funnel]
    derived: LastDay


class Event(msgspec.Struct, kw_only=True):
    """An event of the log. Of the ids it has the one of its stream's kind; `stream` is our id of that.

    `reading`: `ok`, `unknown_type` or `undecodable`. `verified_by` names the secret that matched; null: unsigned.
    `origin` stands where it was taken from another log, `changes` where it tells of a changed configuration, `told`
    where Hookfold did something with the log: who, and with what.
    """

    position: int
    source: str
    provider: str | None
    type: str | None
    session_id: str | UnsetType | None = UNSET
    action_id: str | UnsetType | None = UNSET
    device_id: str | UnsetType | None = UNSET
    registration_id: str | UnsetType | None = UNSET
    stream: Ours | None
    reading: str
    sequence: int | None
    key: str
    occurred_at: Time | None
    received_at: Time
    recorded_at: Time
    verified_by: str | None
    origin: Origin | UnsetType = UNSET
    changes: list[dict[str, Any]] | UnsetType = UNSET
    told: dict[str, Any] | UnsetType = UNSET


class WholeEvent(Event, kw_only=True):
    """An event with what its body says: every documented field under its snake_case name.

    `duplicates` counts how often an entry of Hookfold's own was made again: a body that was read within the hour.
    NUL and lone surrogates stand in `data` as texts, as docs/follow.md has it; turned back, they are what was sent.
    """

    data: dict[str, Any]
    notes: list[str]
    erased: ErasedBy
    duplicates: int | UnsetType = UNSET


class Delivery(msgspec.Struct, kw_only=True):
    """A request at an ingest path. `position` is that of the event that holds its key; null for a rejection.

    `delivery` numbers those that are no event of their own; `reason` and `hint` say why one was rejected; `size` is
    that of the body in bytes.
    """

    verdict: str
    delivery: int | None
    source: str
    provider: str | None
    position: int | None
    status: int
    reason: str | None
    hint: str | None
    size: int | None
    received_at: Time
    recorded_at: Time


class Rejected(msgspec.Struct, kw_only=True):
    """How often a source's deliveries were rejected for one reason, and when first and last (by our clock).

    `hint` is that of the newest one, while that is on record.
    """

    source: str
    provider: str | None
    reason: str
    count: int
    first_at: Time
    last_at: Time
    hint: str | None


class RejectionSummary(msgspec.Struct):
    """Every reason of every source, a source's latest reason first."""

    data: list[Rejected]


class Relay(msgspec.Struct, kw_only=True):
    """An event that is to be delivered to its source's handler (`mode = "relay"`).

    `stream`: our id of the session, action or other stream that it belongs to; null where it belongs to none.
    `state`: `waiting` (its turn has not come, or it is tried again at `next_at`), `delivering`, or `dead` since
    `dead_at`, for this `reason`. `status` and `failure` are those of the last of its `attempts`, which began with that
    at `first_at`.
    """

    source: str
    provider: str | None
    position: int
    stream: str | None
    state: str
    reason: str | None
    attempts: int
    next_at: Time | None
    first_at: Time | None
    last_at: Time | None
    status: int | None
    failure: str | None
    dead_at: Time | None


class RelayCount(msgspec.Struct, kw_only=True):
    """What of a source is to be delivered, and what is dead; counted up to 10,000 each.

    `oldest_at`: when the oldest that waits was received; `next_at`: when the next attempt is due; `paused_at`: since
    when nothing is delivered.
    """

    source: str
    provider: str | None
    waiting: int
    dead: int
    oldest_at: Time | None
    next_at: Time | None
    paused_at: Time | None


class RelaySummary(msgspec.Struct):
    """Every source with `mode = "relay"`, and every other one that has something left from such a time."""

    data: list[RelayCount]


class Receipt(msgspec.Struct, kw_only=True):
    """What was told is recorded; `id` is our id of the action."""

    status: str
    id: Ours
