"""`make chaos`: a service under load, and what it stands on, are wronged in random order, for a time.

Processes are killed, PostgreSQL is stopped, the disk is full, the clock steps, system calls fail, the temporary folder
goes. Exit code 1 where afterwards an acknowledged delivery is missing or there twice, a follower missed or doubled a
position, a state is not what a fresh fold of the log gives, or `hookfold audit verify` finds anything. What is not
possible on this machine is left out, and said.
"""

import argparse
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial

from tests.endurance.faults import Faults
from tests.endurance.load import Load
from tests.endurance.standing import Standing, mounts_of_our_own, standing, until
from tests.endurance.verdict import verdict

KINDS = ("kill", "stop", "disk", "clock", "calls", "temporary")
BETWEEN = 20
"""Deliveries that are acknowledged between two faults."""


class Chaos:
    """Faults of those kinds, each once the last one is got over, until the time is over or they are so many."""

    def __init__(self, database: str, seed: int, kinds: Sequence[str], seconds: float, faults: float) -> None:
        self._database, self._kinds, self._seconds, self._most = database, kinds, seconds, faults
        self._chance = random.Random(seed)
        self._done = Counter[str]()
        self._began = time.monotonic()

    def run(self) -> list[str]:
        """What is wrong afterwards."""
        with standing(self._database) as wronged:
            load = Load(wronged)
            try:
                self._wreak(wronged, load)
                load.end()
                wrong = verdict(wronged, load)
            except TimeoutError as late:
                wrong = [*load.wrong, f"{late}; its log ends with", *wronged.service.log.read_text().splitlines()[-20:]]
            finally:
                load.leave()
        did = ", ".join(f"{number} x {kind}" for kind, number in sorted(self._done.items())) or "none"
        self._say(f"{self._done.total()} faults ({did}); the service ended by itself {wronged.ended} times")
        followed = f"{len(load.paged)} followed by page, {len(load.streamed)} by stream"
        self._say(f"{len(load.acknowledged)} acknowledged, {followed}, {len(wrong)} wrong")
        return wrong

    def _wreak(self, wronged: Standing, load: Load) -> None:
        faults = Faults(wronged, self._chance)
        kinds = [kind for kind in self._kinds if kind in faults.kinds]
        for one in faults.left_out:
            self._say(f"left out: {one}")
        self._began = time.monotonic()
        while kinds and self._done.total() < self._most and time.monotonic() - self._began < self._seconds:
            kind = self._chance.choice(kinds)
            did = faults.kinds[kind]()
            self._done[kind] += 1
            self._say(did)
            before = len(load.acknowledged)
            until(
                partial(_recovered, wronged, load, before + BETWEEN), f"nothing is acknowledged any more after: {did}"
            )

    def _say(self, what: str) -> None:
        sys.stdout.write(f"chaos: {self._database}: {time.monotonic() - self._began:.1f} s: {what}\n")
        sys.stdout.flush()


def _recovered(wronged: Standing, load: Load, acknowledged: int) -> bool:
    wronged.mend()
    return len(load.acknowledged) > acknowledged


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, help="on each database; 60, where no number of faults is given")
    parser.add_argument("--faults", type=int, help="on each database")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="of faults; otherwise all")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    asked = parser.parse_args(arguments)
    seconds, faults = asked.seconds or (math.inf if asked.faults else 60.0), asked.faults or math.inf
    sys.stdout.write(f"chaos: seed {asked.seed}\n")
    mounts_of_our_own()
    wrong: list[str] = []
    for database in asked.database or ["sqlite", "postgresql"]:
        wrong += Chaos(database, asked.seed, asked.kinds, seconds, faults).run()
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
