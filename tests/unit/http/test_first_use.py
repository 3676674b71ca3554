"""Parameters are converted by many threads at once, from the first request on."""

import subprocess
import sys

CODE = """
import sys
from threading import Barrier, Thread

import msgspec

from adapters.http.framework.parameters import as_document

sys.setswitchinterval(1e-6)
for number in range(20):
    inner = [msgspec.defstruct(f"Inner{number}_{at}", [("value", int | None, None)]) for at in range(20)]
    fields = [(f"field{at}", one | None, None) for at, one in enumerate(inner)]
    kind = msgspec.defstruct(f"Kind{number}", fields, kw_only=True)
    document = {f"field{at}": {"value": at} for at in range(20)}
    together = Barrier(8)

    def ask():
        together.wait()
        as_document(kind, document)

    threads = [Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
"""


def test_threads_that_begin_with_a_type_at_the_same_time_end_no_process():
    assert subprocess.run([sys.executable, "-c", CODE], check=False).returncode == 0
