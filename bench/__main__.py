"""All benchmarks, or some of them: `python -m bench [NAME ...]`."""

from bench.append import append
from bench.command import main
from bench.ingest import ingest

main({"ingest": ingest, "append": append})
