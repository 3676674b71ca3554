"""The response types of the API. Instants are ISO 8601 text, UTC, with microseconds."""

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
    """One life of a stream whose id the provider reuses. `restarted`: it was started again right after a stop."""

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
    """The fields of every folded stream.

    `first_at` and `last_at` span its events' `occurred_at`; `position` is that of the last folded event; `events`
    counts them; `unsigned`: some have no signature. `anomalies` are the newest 100; `anomaly_counts` counts all by
    kind. `derived` depends on the time of the request and is not part of the ETag; its `deadline` is that of `…/why`,
    or null.
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
    """A session. `data` holds the latest values of other documented fields.

    `run_count` counts the runs; `runs` has the newest 20, in a list only the last one.
    """

    session_id: str | None
    user_id: str | None
    regions: dict[str, str]
    run: int
    run_count: int
    runs: list[Run]
    data: dict[str, Any]


class Action(Folded, kw_only=True):
    """An action. `command` is the kind of action, whatever the provider calls it; `device` is our id.

    `completed_at` and `failed_at` are null if the provider sent no time; its own text is in the event's `data`.
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
    """A device; `unknown` if only an action mentioned it."""

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


class SequenceGap(msgspec.Struct):
    """Numbers of the provider's sequence that have not come, from `first` to `last`, both included."""

    first: int
    last: int


class Snr(msgspec.Struct):
    """A signal-to-noise ratio in decibels; `sequence` numbers the chunk."""

    sequence: int | None
    snr: float | None
    at: Time | None
    position: int


class Measurement(msgspec.Struct, kw_only=True):
    """A measurement.

    `session` is our id; `steps` has the time of each of its events; `complete`: no gap in its part of the sequence,
    from start to end, or so far; if not, `missing` has the gaps that are known, and `missing_older` counts those that
    are no longer held. `snr` holds the newest 200 of `snr_count` chunks, `anomalies` the newest 100;
    `anomaly_counts` counts all by kind.
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
    missing: list[SequenceGap]
    missing_older: int
    position: int
    started_at: Time | None
    ended_at: Time | None
    erased: ErasedBy
    machine: Machine


class ErasureRecord(msgspec.Struct):
    """When bodies were erased, by whom and why, as recorded by the event at `position`.

    The other fields are null if an import left that event out.
    """

    position: int
    at: Time | None
    by: str | None
    reason: str | None


class Step(msgspec.Struct, kw_only=True, rename={"from_": "from"}):
    """An entry of a timeline: an `event`, a `gap`, an `erased` or a `retracted` event.

    An event moved `region` from `from` to `to` by `rule`; if nothing moved, `reason` says why. `before` and `after`
    have every region, `guards` the result of each condition. `after_s` is the time since the previous event, `delay_s`
    that from the provider's clock to ours (negative: theirs is ahead). `duplicates` and `conflicts` count redeliveries
    of its key. `verified_by` names the secret that matched; null: unsigned. A gap lists the numbers that never came
    before the event at `position`.
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
    """The position of an imported event in the log that first recorded it, and when."""

    position: int
    recorded_at: Time


class Awaited(msgspec.Struct):
    """An event that would move the machine, the resulting state, and the condition, if any."""

    trigger: str
    to: str
    when: str | None


class Stop(msgspec.Struct):
    """What is known of a run's end, as `words`."""

    run: int
    words: str


class Why(msgspec.Struct, kw_only=True):
    """Why something is in its state. `sentence` sums it up; its times are UTC.

    `chain`: the events that led the current run there; `unmoved`: those that did not move it, with the reason and the
    conditions that failed. `left_out` counts older ones; pass `earlier` as `before` to get them. `waits_for`: what
    would move it on. `stops`: how runs of glasses ended, as far as known. `derived` has the deadline and by how much it
    has passed. `erasure`: the events before were erased; states, outcomes, runs and times remain. Null: none were.
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
    """An event recorded in between, and its changes. `late`: one that follows it in sequence was known before."""

    position: int
    type: str
    sequence: int | None
    occurred_at: Time | None
    recorded_at: Time
    late: bool
    changed: dict[str, Changed]


class Compared(msgspec.Struct, kw_only=True):
    """What became known between two positions of the log; `as_of` limits both sides.

    `before` and `after` are the resource as known at each (null: unknown), `changed` their fields that differ. `learnt`
    lists the events recorded in between; `came` counts them, `late` the late ones.
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
    """One irregularity; `measurement` is our id of the measurement that it belongs to.

    `what`: missing, late, doubled, conflict, overlap, undecodable, unknown_type, never_ended, overdue or
    presumed_ended. `lost`: it needs attention (missing, never_ended, overdue, conflict); the others affect no state.
    `position`: of the event that shows it; `since`: when it was due. `gap`: the numbers that
    are missing, else null.
    """

    what: str
    lost: bool
    detail: str
    position: int | None
    since: Time | None
    measurement: Ours | None
    measurement_id: str | None
    gap: SequenceGap | None


class Incomplete(msgspec.Struct, kw_only=True):
    """A session or an action with findings, which `lost` and `irregular` count."""

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
    """When a source last sent something. `position`: of its last event; `delay_s`: from its clock to ours, at that
    event.

    `derived` has `silent`: whether that is longer ago than `silent_after_s`; and `silent_for_s`: the seconds since
    then, null if it never sent anything.
    """

    source: str
    provider: str | None
    position: int | None
    last_received_at: Time | None
    delay_s: float | None
    derived: dict[str, bool | float | None]


class Completeness(msgspec.Struct):
    """Every source, and a page of findings. `examined`: how many the page examined, by kind."""

    sources: list[SourceHealth]
    examined: dict[str, int]
    data: list[Incomplete]
    next_cursor: str | None


class Count(msgspec.Struct, kw_only=True):
    """The number of a kind in a state, with an outcome or null."""

    kind: str
    source: str
    state: str
    outcome: str | None
    count: int


class LastDay(msgspec.Struct, kw_only=True):
    """The 24 hours before `now`, by time of recording: `counts` of what an event touched, since `since`.

    A measurement counts if it began since then. `sources`: when each last sent something.
    """

    since: Time
    counts: list[Count]
    sources: list[SourceHealth]


class AnomalyCount(msgspec.Struct, kw_only=True):
    """The number of a kind with an anomaly."""

    kind: str
    source: str
    anomaly: str
    count: int


class Dropped(msgspec.Struct, kw_only=True):
    """The number of visits that ended at a step, and the type of the event that ended them, or null."""

    ended_by: str | None
    count: int


class FunnelStep(msgspec.Struct, kw_only=True):
    """A step of a visit, how many visits reached it, and what ended those that went no further."""

    step: str
    reached: int
    dropped: list[Dropped]


class Funnel(msgspec.Struct, kw_only=True):
    """How far the newest visits of a wms source came, in all their runs.

    Based on the newest 5,000 events of such sources, as many of each.
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
    """The present state of everything. `position`: the log's last one; `lag`: by how many positions the states are
    behind.

    `counts` cover the newest of each kind, at most `newest`, and `anomalies` the newest that have any; `unbuilt`: this
    release has folded nothing yet, so both are empty. `misread`: of each reading the newest, as many.
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
    """An event of the log. It has the provider's id of its stream's kind; `stream` is our id.

    `reading`: `ok`, `unknown_type` or `undecodable`. `verified_by` names the secret that matched; null: unsigned. An
    imported event has `origin`, one that records a changed configuration has `changes`, and one that records an
    operation on the log has `told`: by whom, and on what.
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
    """An event with its body's documented fields under their snake_case names.

    `duplicates` counts repetitions of an entry of Hookfold's own, such as a body read again within the hour. `data` has
    NUL and lone surrogates in the reversible form of docs/follow.md.
    """

    data: dict[str, Any]
    notes: list[str]
    erased: ErasedBy
    duplicates: int | UnsetType = UNSET


class Delivery(msgspec.Struct, kw_only=True):
    """A request to an ingest path. `position` is that of the event that holds its key; null for a rejection.

    `delivery` numbers those that made no event; `reason` and `hint` say why one was rejected; `size` is that of the
    body in bytes.
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

    `hint` is that of the newest one, while it is stored.
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


class OurId(msgspec.Struct):
    """An id of ours, and what it is of. `kind`: session, measurement, action, device or registration."""

    id: str
    kind: str
    source: str
    provider: str | None


class Relay(msgspec.Struct, kw_only=True):
    """An event to be delivered to its source's handler (`mode = "relay"`).

    `stream`: our id of its session, action or other stream; null if it has none. `state`: `waiting` (for its turn, or
    for the next attempt at `next_at`), `delivering`, or `dead` since `dead_at` for this `reason`. `status` and
    `failure` are those of the last of its `attempts`, the first of which was at `first_at`.
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
    """A source's waiting and dead deliveries, counted up to 10,000 each.

    `oldest_at`: when the oldest waiting one was received; `next_at`: when the next attempt is due; `paused_at`: since
    when delivery is paused.
    """

    source: str
    provider: str | None
    waiting: int
    dead: int
    oldest_at: Time | None
    next_at: Time | None
    paused_at: Time | None


class RelaySummary(msgspec.Struct):
    """Every source with `mode = "relay"`, and others with deliveries left from that mode."""

    data: list[RelayCount]


class Receipt(msgspec.Struct, kw_only=True):
    """The report is recorded; `id` is our id of the action."""

    status: str
    id: Ours
