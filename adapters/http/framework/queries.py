"""The parameters of every query. The same structs check requests and describe them in the OpenAPI document."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from adapters.http.framework.scalars import (
    AnomalyKind,
    Ending,
    Form,
    Moment,
    Name,
    ProviderName,
    ReadingWord,
    RelayFilter,
    ReportedState,
    Verdict,
    VisitStep,
)

HIGHEST = 2**63 - 1
"""The highest possible position, since both databases have signed 64-bit integers."""

Position = Annotated[int, Meta(ge=0, le=HIGHEST)]
Seconds = Annotated[int, Meta(ge=1, le=10**9)]
Wait = Annotated[int, Meta(ge=1, le=30)]
Limit = Annotated[int, Meta(ge=1, le=100, description="How many items a page holds.")]
Session = Annotated[Name | UnsetType, Meta(description="The provider's own id of the session.")]
User = Annotated[Name | UnsetType, Meta(description="The provider's own id of the user.")]
Source = Annotated[Name | UnsetType, Meta(description="The source, by its name in the configuration.")]
Provider = Annotated[ProviderName | UnsetType, Meta(description="The kind of sender.")]
After = Annotated[Position, Meta(description="A position: only events after it.")]
Now = Annotated[Moment | UnsetType, Meta(description="The time for which `derived` is worked out; else the clock's.")]
Since = Annotated[Moment | UnsetType, Meta(description="Only what had an event at this time or later (`occurred_at`).")]
Until = Annotated[Moment | UnsetType, Meta(description="Only what had an event before this time (`occurred_at`).")]
Cursor = Annotated[
    Annotated[str, Meta(min_length=1)] | UnsetType,
    Meta(description="The `next_cursor` of the page before. It carries the filters: nothing else is sent with it."),
]
AsOf = Annotated[Moment | UnsetType, Meta(description="Only what had happened by this time, by the provider's clock.")]
KnownAt = Annotated[Moment | UnsetType, Meta(description="Only what had been recorded here by this time.")]
KnownAtPosition = Annotated[
    Position | UnsetType, Meta(description="Only what had been recorded here when this was the log's last position.")
]
AtLeast = Annotated[
    Position | UnsetType,
    Meta(description="Waits a few seconds until this position is folded, else 503: read your writes."),
]


class Query(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Parameters of every query of the log."""

    min_position: AtLeast = UNSET


class Plain(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A query without parameters."""


class Timed(Query):
    """A query of the past, by event time, by transaction time, or by both."""

    as_of: AsOf = UNSET
    known_at: KnownAt = UNSET
    known_at_position: KnownAtPosition = UNSET


class Present(Query):
    """A query of the present, with values derived from the time `now`."""

    now: Now = UNSET


class One(Timed):
    """A query of one resource, with values derived from the time `now`."""

    now: Now = UNSET


class Why(One):
    """Why a stream or measurement is in its state. Long explanations are paged."""

    before: Annotated[
        Position | UnsetType,
        Meta(description="`chain` and `unmoved` are those before this event of the run: the `earlier` of an answer."),
    ] = UNSET


class Compare(Timed, rename={"with_": "with"}):
    """Compares what was known at two times: `known_at` (or its position) and `with` (or its position)."""

    with_: Annotated[Moment | UnsetType, Meta(description="The later time; else now.")] = UNSET
    with_position: Annotated[Position | UnsetType, Meta(description="The later position of the log; else now.")] = UNSET
    limit: Annotated[int, Meta(ge=1, le=100, description="How many of the events that came are told.")] = 100


class Listed(Query):
    """A paged list."""

    limit: Limit = 20
    cursor: Cursor = UNSET


class TimedListed(Timed):
    """A paged list, present or past.

    With filters, a page may hold fewer items than `limit`, even none, though more follow.
    """

    limit: Limit = 20
    cursor: Cursor = UNSET


class Completeness(TimedListed):
    """Streams that lack data or have irregular findings.

    A page may hold fewer items than `limit`, even none, though more follow.
    """

    source: Source = UNSET
    provider: Provider = UNSET
    session_id: Session = UNSET
    lost: Annotated[
        bool | UnsetType,
        Meta(description="Only what has something lost (true), or nothing but irregular findings (false)."),
    ] = UNSET
    now: Now = UNSET
    silent_after: Annotated[
        Seconds | UnsetType, Meta(description="Seconds after which a source counts as silent; else as configured.")
    ] = UNSET


class Timeline(TimedListed):
    """A timeline. JSON is paged; CSV and text are whole. `csv-bom` is CSV with a byte order mark, for spreadsheets."""

    format: Annotated[
        Form | UnsetType, Meta(description="Else as the `Accept` header prefers: JSON, text/csv or text/plain.")
    ] = UNSET


class Folded(TimedListed):
    """Filters of every list of folded streams."""

    source: Source = UNSET
    provider: Provider = UNSET
    state: Annotated[Name | UnsetType, Meta(description="The machine's state, as `/v1/machines` names it.")] = UNSET
    anomaly: Annotated[AnomalyKind | UnsetType, Meta(description="Only what has an anomaly of this kind.")] = UNSET
    since: Since = UNSET
    until: Until = UNSET
    changed_after: Annotated[
        Position | UnsetType,
        Meta(
            description="A position: only what an event after it has touched. Who goes on from a position later asks "
            "with that as `min_position`: a late event of a long stream may be folded a moment behind its answer."
        ),
    ] = UNSET
    now: Now = UNSET


Overdue = Annotated[
    bool | UnsetType,
    Meta(description="Only what is overdue at `now`, its end not having come in time (true), or is not (false)."),
]


class Sessions(Folded):
    """Sessions."""

    overdue: Overdue = UNSET
    presumed_ended: Annotated[
        bool | UnsetType, Meta(description="Only what is presumed to have ended at `now` (true), or is not (false).")
    ] = UNSET

    outcome: Annotated[Name | UnsetType, Meta(description="How the session's present run ended.")] = UNSET
    ended_by: Annotated[
        Ending | UnsetType,
        Meta(
            description="Only visits of WMS that an event of this type ended, as the funnels of `/v1/overview` count "
            "them; `nothing`: those that are not over."
        ),
    ] = UNSET
    last_step: Annotated[
        VisitStep | UnsetType, Meta(description="Only visits of WMS that came to this step of the funnel, no further.")
    ] = UNSET
    user_id: User = UNSET
    session_id: Session = UNSET


class Actions(Folded):
    """Actions."""

    overdue: Overdue = UNSET

    action_id: Annotated[Name | UnsetType, Meta(description="The provider's own id of the action.")] = UNSET
    device_id: Annotated[Name | UnsetType, Meta(description="The provider's own id of the device.")] = UNSET


class Devices(Folded):
    """Devices."""

    device_id: Annotated[Name | UnsetType, Meta(description="The provider's own id of the device.")] = UNSET


class Registrations(Folded):
    """Registrations. There is no filter by `session_id`: theirs is not a session's, and no index has it."""

    silent: Annotated[
        bool | UnsetType, Meta(description="Only what has sent no heartbeat in time at `now` (true), or has (false).")
    ] = UNSET

    registration_id: Annotated[Name | UnsetType, Meta(description="The provider's own id of the registration.")] = UNSET
    user_id: User = UNSET


class Measurements(TimedListed):
    """Measurements."""

    source: Source = UNSET
    provider: Provider = UNSET
    measurement_id: Annotated[Name | UnsetType, Meta(description="The provider's own id of the measurement.")] = UNSET
    session_id: Session = UNSET
    state: Annotated[Name | UnsetType, Meta(description="The state in which the measurement is or ended.")] = UNSET
    outcome: Annotated[Name | UnsetType, Meta(description="How the measurement ended.")] = UNSET
    anomaly: Annotated[AnomalyKind | UnsetType, Meta(description="Only what has an anomaly of this kind.")] = UNSET


class Feed(Query):
    """Filters of events after a position.

    With `type`, a page may hold fewer events than `limit`, even none, though more follow.
    """

    after: After = 0
    source: Source = UNSET
    session_id: Session = UNSET
    action_id: Name | UnsetType = UNSET
    device_id: Name | UnsetType = UNSET
    registration_id: Name | UnsetType = UNSET
    reading: Annotated[
        ReadingWord | UnsetType,
        Meta(description="Only events whose bodies could be read so; only `ok` moves a state."),
    ] = UNSET
    type: Annotated[Name | UnsetType, Meta(description="Only events whose `type` is this one.")] = UNSET


class Changes(Query):
    """Changes of streams after a position. Nothing that may change, such as a state, can be a filter."""

    after: After = 0
    source: Source = UNSET


class SessionChanges(Changes):
    """Changes of sessions, or of their measurements."""

    session_id: Session = UNSET


class ActionChanges(Changes):
    """Changes of actions."""

    action_id: Name | UnsetType = UNSET


class Events(Feed):
    """The event feed, paged."""

    limit: Limit = 20
    cursor: Cursor = UNSET
    wait: Annotated[
        Wait | UnsetType, Meta(description="Seconds for which an empty page waits for an event that fits.")
    ] = UNSET


class StreamEvents(Listed):
    """The events of one stream."""

    after: After = 0


Reason = Annotated[
    Name | UnsetType, Meta(description="Only what was rejected for this reason, by its code: `signature_mismatch`.")
]


class Deliveries(Listed):
    """Recorded deliveries, rejected ones included."""

    source: Source = UNSET
    verdict: Verdict | UnsetType = UNSET
    reason: Reason = UNSET
    position: Annotated[Position | UnsetType, Meta(description="Only deliveries of the event at this position.")] = (
        UNSET
    )


class Rejections(Listed):
    """Rejected deliveries."""

    source: Source = UNSET
    reason: Reason = UNSET


class RejectionSummary(Query):
    """Counts of rejected deliveries."""

    source: Source = UNSET


class Relays(Listed):
    """Deliveries to handlers: waiting or dead."""

    source: Source = UNSET
    state: Annotated[RelayFilter | UnsetType, Meta(description="Only what is in this state.")] = UNSET


class Told(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An app's report on an action that it pushed."""

    source: Annotated[Name, Meta(description="An amps source.")]
    action_id: Annotated[Name, Meta(description="The provider's own id of the action.")]
    state: ReportedState
    occurred_at: Annotated[Moment, Meta(description="When it happened, by the app's clock.")]
