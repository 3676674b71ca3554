"""HTTP: the door for deliveries and the query API. This is the folder's whole face."""

from adapters.http.create import create_http, questions_of
from adapters.http.framework.api import Api
from adapters.http.framework.problems import BadRequest, NotFound, Problem, problem_answer
from adapters.http.framework.questions import Questions, Told
from adapters.http.framework.tokens import Holders
from adapters.http.framework.waiting import ENDING
from adapters.http.ingest.door import Answer, Door, failure, is_ingest, unrecorded
from adapters.http.ingest.ingest import ingest_blueprint
from adapters.http.ingest.tally import Tally
from adapters.http.presenters.action_report import report_action
from adapters.http.views.health import ALIVE

__all__ = [
    "ALIVE",
    "ENDING",
    "Answer",
    "Api",
    "BadRequest",
    "Door",
    "Holders",
    "NotFound",
    "Problem",
    "Questions",
    "Tally",
    "Told",
    "create_http",
    "failure",
    "ingest_blueprint",
    "is_ingest",
    "problem_answer",
    "questions_of",
    "report_action",
    "unrecorded",
]
