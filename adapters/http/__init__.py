"""HTTP: the door for deliveries and the query API. This is the folder's whole face."""

from adapters.http.api import Api
from adapters.http.create import create_http
from adapters.http.door import Answer, Door, failure, is_ingest, unrecorded
from adapters.http.health import ALIVE
from adapters.http.ingest import ingest_blueprint
from adapters.http.problems import problem_answer
from adapters.http.tally import Tally
from adapters.http.telling import tell
from adapters.http.waiting import ENDING

__all__ = [
    "ALIVE",
    "ENDING",
    "Answer",
    "Api",
    "Door",
    "Tally",
    "create_http",
    "failure",
    "ingest_blueprint",
    "is_ingest",
    "problem_answer",
    "tell",
    "unrecorded",
]
