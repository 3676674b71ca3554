"""What goes between the processes arrives whole, however the socket cuts it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from adapters.server.commits.frames import Inbox, Outcome, frame, pack
from adapters.sql import Receipt

FRAMES: list[list[Outcome]] = [[Receipt("new", 1), "the database is away"], [], [Receipt("duplicate", 2**40)]]


@given(st.lists(st.integers(0, 200)))
def test_frames_cut_anywhere_arrive_in_their_order(cuts: list[int]):
    sent = b"".join(frame([*map(pack, outcomes)]) for outcomes in FRAMES)
    places = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
    inbox = Inbox[Outcome](Outcome)  # type: ignore[arg-type]  # a union

    arrived = [got for start, end in pairwise(places) for got in inbox.whole(sent[start:end])]

    assert arrived == [outcome for outcomes in FRAMES for outcome in outcomes]
