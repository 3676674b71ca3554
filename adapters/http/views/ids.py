"""`/v1/ids`: our ids by their beginnings."""

import re

from adapters.config import Scope
from adapters.http.framework import queries
from adapters.http.framework.problems import NotFound
from adapters.http.framework.routes import Ask, Listing, Routes, page_of
from adapters.http.presenters import shapes
from core.ids import BEGINNING, PREFIXES

routes = Routes()

_KINDS = {prefix: kind for kind, prefix in PREFIXES.items()}


@routes.many(Scope.READ, "/v1/ids/{beginning}", queries.Listed, shapes.OurId)
def ids(ask: Ask[queries.Listed]) -> Listing[shapes.OurId]:
    """Our ids that begin as given, such as `ses_a7a7a7a7`, in their order, each with its kind and source."""
    api, beginning, limit = ask.api, ask.path["beginning"], ask.query.limit
    if re.fullmatch(BEGINNING, beginning, re.ASCII) is None:
        raise NotFound("no id of ours begins so: give its prefix and at least 8 characters")
    found = api.reads.ids_beginning(beginning, api.source_names(), ask.after or "", limit + 1)
    rows, following = page_of(found, limit, lambda row: row.id)
    kind = _KINDS[beginning[:3]]
    return Listing([shapes.OurId(row.id, kind, row.source, api.provider_of(row.source)) for row in rows], following)
