"""All benchmarks, or some of them: `python -m bench [NAME ...]`."""

from bench.append import append
from bench.audit import audit
from bench.command import main
from bench.conditions import conditions
from bench.console import console
from bench.followers import followers
from bench.forward import forward
from bench.ingest import ingest
from bench.long import long
from bench.query import query
from bench.replay import replay
from bench.services import services
from bench.storage import storage

if __name__ == "__main__":
    main(
        {
            "ingest": ingest,
            "append": append,
            "forward": forward,
            "conditions": conditions,
            "storage": storage,
            "replay": replay,
            "query": query,
            "console": console,
            "long": long,
            "followers": followers,
            "services": services,
            "audit": audit,
        }
    )
