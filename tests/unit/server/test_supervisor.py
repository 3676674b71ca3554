"""The main process of a service starts the others anew, as long as that helps, and ends them in their order."""

import os
import signal
import sys

import pytest

from tests.support.supervised import await_end, supervised

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")


def test_a_process_that_is_killed_is_started_anew_as_often_as_it_takes():
    with supervised("run(_PAUSE=0.001)") as main:
        for _ in range(12):
            os.kill(main.process_that("lives"), signal.SIGKILL)

        last = main.process_that("lives")
        assert main.end() == 0
        assert main.process_that("ends") == last


def test_a_process_that_dies_at_its_start_again_and_again_is_given_up():
    with supervised("run([Child('other', dies)], _PAUSE=0.001)") as main:
        first = main.process_that("lives")

        assert main.process_that("ends") == first
        assert main.expect("broken ") == "other_died: 8 times at its start, with status 0; see the lines above"
        assert main.process.wait(30) == 0


def test_a_service_goes_on_without_a_process_that_it_does_not_need():
    with supervised("run([Child('other', dies, needed=False)], _PAUSE=0.001)") as main:
        main.expect("given_up")

        assert main.end() == 0
        assert main.expect("broken ") == "None"


def test_a_process_that_cannot_be_started_anew_is_tried_again():
    scarce = """
fork, failures = os.fork, [OSError(11, "no room")] * 2
def scarcely():
    if started and failures:
        raise failures.pop()
    started.append(True)
    return fork()
os.fork, started = scarcely, []
run(_PAUSE=0.001)
"""
    with supervised(scarce) as main:
        os.kill(main.process_that("lives"), signal.SIGKILL)

        assert [main.expect("start_failed") for _ in range(2)]
        main.process_that("lives")
        assert main.end() == 0


def test_one_that_is_told_to_stop_while_a_process_is_to_be_started_anew_stops():
    with supervised("run([Child('other', lives)], _PAUSE=30)") as main:
        main.process_that("lives")
        os.kill(main.process_that("lives"), signal.SIGKILL)

        assert main.end() == 0


def test_a_process_whose_work_does_not_go_on_is_killed_and_started_anew():
    with supervised("run([Child('other', stalls)], SILENT=2.5)") as main:
        hung = main.process_that("hangs")

        main.expect("it gave no sign of life")
        assert main.process_that("hangs") != hung


def test_a_process_that_hangs_before_its_first_sign_is_killed():
    with supervised("run([Child('other', hangs)], SILENT=1.5, STARTING=0.5)") as main:
        hung = main.process_that("hangs")

        main.expect("it gave no sign of life")
        assert main.process_that("hangs") != hung


def test_a_process_that_does_not_end_when_it_is_told_is_killed_at_last():
    with supervised("run([Child('other', hangs)], _LAST_WORDS=0.5)") as main:
        main.process_that("hangs")

        assert main.end() == 0
        main.expect("it did not end in time")


def test_processes_end_in_the_order_of_their_stages():
    stages = "[Child('a', lives_as('a')), Child('b', lives_as('b'))], [Child('c', lives_as('c'))]"
    with supervised(f"run({stages}, first=lives_as('first'))") as main:
        for _ in range(4):
            main.process_that("lives")

        main.process.send_signal(signal.SIGTERM)

        ended = [main.expect("ends ").split()[1] for _ in range(4)]
        assert sorted(ended[:2]) == ["a", "b"]
        assert ended[2:] == ["c", "first"]


def test_every_process_ends_with_the_main_one_also_those_that_were_started_late():
    with supervised("run([Child('a', lives), Child('b', lives)], _PAUSE=0.001)") as main:
        first, a, b = (main.process_that("lives") for _ in range(3))
        os.kill(a, signal.SIGKILL)
        anew = main.process_that("lives")

        main.process.send_signal(signal.SIGKILL)

        for process in (first, b, anew):
            await_end(process)


def test_what_is_handed_anew_comes_whole_however_long_it_is():
    code = (
        "run([Child('a', lives, takes_anew=True), Child('b', lives)], reload=lambda hand: Reloaded(hand * 1_000_000))"
    )
    with supervised(code) as main:
        *_, deaf = [main.process_that("lives") for _ in range(3)]

        main.process.send_signal(signal.SIGHUP)

        for _ in range(2):  # the first process may tell yet what it was handed once all were there
            main.expect("anew 4000000")
        os.kill(deaf, signal.SIGKILL)
        assert main.expect("lives ").split()[1] == "4000000"
        assert main.end() == 0


def test_a_reload_that_fails_changes_nothing():
    with supervised("run(reload=lambda hand: 1 / 0)") as main:
        main.process_that("lives")

        main.process.send_signal(signal.SIGHUP)

        main.expect("process_failed")
        assert main.end() == 0


def test_a_stop_does_not_wait_for_a_reload():
    with supervised("run(reload=lambda hand: (tell('reads'), time.sleep(600)))") as main:
        main.process_that("lives")
        main.process.send_signal(signal.SIGHUP)
        main.expect("reads")

        assert main.end() == 0
