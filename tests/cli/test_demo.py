"""`hookfold demo`, as `make demo` runs it."""

import subprocess
import sys


def test_the_demonstration_shows_what_it_promises_and_succeeds():
    command = [sys.executable, "-c", "from app import main; main()", "demo"]

    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert ran.returncode == 0, ran.stderr
    for promised in ("mentraos", "augmentos", "amps", "wms", "gap: ", "Timeline of measurement", "401", "conflict"):
        assert promised in ran.stdout
