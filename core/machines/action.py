"""The states of an amps action. Its first terminal state stays, unless only our own app reported it."""

from enum import Enum

from core.event import Event
from core.ordering.order import begin_by_time, by_time, follow_by_time, go_on_by_time
from core.states.state import Settings, State, StateMachine
from core.states.table import On, Transition, declare


class Action(Enum):
    UNKNOWN = "unknown"
    ACKNOWLEDGED = "acknowledged"
    SCHEDULED = "scheduled"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNKNOWN, ACKNOWLEDGED, SCHEDULED, COMPLETED, FAILED, CANCELLED = Action
LIVE = [UNKNOWN, ACKNOWLEDGED, SCHEDULED]
TERMINAL = [COMPLETED, FAILED, CANCELLED]


class ActionState(State, kw_only=True, omit_defaults=True, gc=False):
    """`data` holds every documented field of the action. `told`: only our own app reported its terminal state."""

    state: str = "unknown"
    told: bool = False


def webhook_beats_told(state: ActionState, event: Event) -> bool:
    """What the provider itself says goes before what our app told of."""
    return state.told and not event.data.get("told")


STAYS = "the first ending stays"
AGAIN = "the same ending again"
LATE = "what is settled does not go back"
BEATS = webhook_beats_told

# fmt: off
table = declare(name="action", states=Action, initial=UNKNOWN, rows=[
    #  on              from                     to
    On("acknowledged", [UNKNOWN, ACKNOWLEDGED], ACKNOWLEDGED),
    On("scheduled",    LIVE,                    SCHEDULED),
    On("push.completed", LIVE,                  COMPLETED),
    On("push.failed",  LIVE,                    FAILED),
    On("cancelled",    LIVE,                    CANCELLED),

    On("push.completed", COMPLETED,             None,      why=AGAIN),
    On("push.failed",  FAILED,                  None,      why=AGAIN),
    On("cancelled",    CANCELLED,               None,      why=AGAIN),

    On("push.completed", [FAILED, CANCELLED],   COMPLETED, when=BEATS, marks="conflict"),
    On("push.failed",  [COMPLETED, CANCELLED],  FAILED,    when=BEATS, marks="conflict"),
    On("cancelled",    [COMPLETED, FAILED],     CANCELLED, when=BEATS, marks="conflict"),
    On("push.completed", [FAILED, CANCELLED],   None,      why=STAYS,  marks="conflict"),
    On("push.failed",  [COMPLETED, CANCELLED],  None,      why=STAYS,  marks="conflict"),
    On("cancelled",    [COMPLETED, FAILED],     None,      why=STAYS,  marks="conflict"),

    On("acknowledged", [SCHEDULED, *TERMINAL],  None,      why=LATE,   marks="unexpected"),
    On("scheduled",    TERMINAL,                None,      why=LATE,   marks="unexpected"),
])
# fmt: on

ENDINGS = frozenset(state.value for state in TERMINAL)
_RANKS = {state.value: min(rank, len(LIVE)) for rank, state in enumerate([*LIVE, *TERMINAL])}
KEPT = frozenset(
    "device_id device_type command action_type parameters result error_code error_message event_id"
    " completed_at failed_at".split()
)


def is_further(told: str, known: str) -> bool:
    """Whether a reported state is further along than the known one."""
    return _RANKS[told] > _RANKS[known]


def step(state: ActionState, event: Event, _: Settings) -> Transition:
    """Folds one event whose type is known. A conflicting event that loses sets no fields."""
    arm = state.take(table, event)
    if arm.to is not None:
        state.told = arm.to in ENDINGS and bool(event.data.get("told"))
        state.keep(KEPT, event)
    elif arm.marks is None:
        _confirm(state, event)
    return arm


def _confirm(state: ActionState, event: Event) -> None:
    """The same terminal state again adds missing fields, and confirms a state that only our app had reported."""
    state.told = state.told and bool(event.data.get("told"))
    state.keep(KEPT - state.data.keys(), event)


action = StateMachine(
    "action", (table,), ActionState, by_time, begin_by_time, follow_by_time, go_on_by_time, step, revision=4
)
