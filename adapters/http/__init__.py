"""HTTP: the ingest door and the query API. The public interface of this folder."""

from adapters.http.create import create_http, questions_of
from adapters.http.framework.api import Api
from adapters.http.framework.carried import (
    CARRIED,
    COMMENT,
    EVENTS,
    HEARTBEAT,
    RECONNECT,
    Carried,
    Follow,
    FollowPage,
    Key,
    Later,
    TailEvent,
    TailPage,
    Wanted,
    joined,
)
from adapters.http.framework.holders import Holders
from adapters.http.framework.problems import BadRequest, NotFound, Problem, problem_answer
from adapters.http.framework.questions import Questions, Told
from adapters.http.framework.scalars import Ending, VisitStep
from adapters.http.framework.spool_state import SpoolState
from adapters.http.framework.waiting import ENDING
from adapters.http.ingest.door import SPOOLED, Answer, Door, appended, failure, is_ingest, unrecorded
from adapters.http.ingest.ingest import ingest_blueprint
from adapters.http.ingest.log_throttle import LogThrottle
from adapters.http.ingest.tally import Tally
from adapters.http.presenters.action_report import report_action
from adapters.http.presenters.due import counted as due_counts
from adapters.http.views.changes import CHANGES, read_changes
from adapters.http.views.events import read_tail
from adapters.http.views.health import ALIVE
