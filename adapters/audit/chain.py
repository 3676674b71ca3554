"""The keys that a log has had, each vouched for by its predecessor. A verifier that trusts one finds the others."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import NamedTuple

from adapters.audit.keys import SigningKey, check, opened
from adapters.sql import Rotation
from core.proofs import note
from core.proofs.note import Checkpoint, Key, Malformed, NotSigned

HEAD = "hookfold key v1"
"""The first line of a note in which one key vouches for the next one."""


class HeldKey(NamedTuple):
    """A key of the log. `since`: the position of the rotation that put it in force, 0 for the first key.

    `note` is the note in that rotation's event.
    """

    key: Key
    since: int
    note: str | None


class KeyChain:
    """All keys of the log that has the key `trusted`, in the order in which they were in force.

    A rotation's note counts only if both keys signed it: the old one vouches for the new one, and the new one names its
    predecessor. So any trusted key leads to all the others. Other notes are ignored.
    """

    def __init__(self, trusted: Key, rotations: Iterable[Rotation] = ()) -> None:
        links: dict[Key, _Link] = {}
        for link in (_link(one, trusted.name) for one in sorted(rotations)):
            if link is not None:
                links.setdefault(link.held.key, link)
        before = list(_before(trusted, links))
        first = HeldKey(before[-1].old if before else trusted, 0, None)
        self.keys = [first, *(link.held for link in reversed(before))]
        self.keys += _behind(self.keys[-1], links.values())

    @property
    def newest(self) -> Key:
        """The key in force."""
        return self.keys[-1].key

    def at(self, size: int) -> Key:
        """The key that was in force when the log had `size` positions."""
        return self.keys[bisect_right(self.keys, size, key=lambda held: held.since) - 1].key

    def opened(self, text: str) -> Checkpoint:
        """The checkpoint in a note. Raises ValueError unless the key in force at the checkpoint's size signed it."""
        return opened(text, self.at(Checkpoint.parse(note.parse(text).text).size))

    def attested(self, text: str, size: int) -> str:
        """The text of a note. Raises ValueError unless the key in force at this size of the log signed it."""
        return note.opened(text, self.at(size), check).text


def vouch(old: SigningKey, new: SigningKey) -> str:
    """The note in which `old` vouches for `new`, signed by both."""
    return new.sign_too(old.attest(f"{HEAD}\nlog {old.key.name}\nfrom {old.key}\nto {new.key}\n"))


class _Link(NamedTuple):
    """A rotation: the key that was replaced, and the new one."""

    old: Key
    held: HeldKey


def _before(key: Key, links: Mapping[Key, _Link]) -> Iterator[_Link]:
    """The rotation that put the key in force, then the one that put its predecessor in force, and so on, backwards."""
    since: float = inf
    while (link := links.get(key)) is not None and link.held.since < since:
        yield link
        key, since = link.old, link.held.since


def _behind(held: HeldKey, links: Iterable[_Link]) -> Iterator[HeldKey]:
    """The key that replaced this one, then the one that replaced that, and so on."""
    for link in links:
        if link.old == held.key and link.held.since > held.since:
            held = link.held
            yield held


def _link(rotation: Rotation, name: str) -> _Link | None:
    """The rotation; None if its note belongs to another log or lacks one of the two signatures."""
    try:
        head, log, before, after = note.parse(rotation.note).text.removesuffix("\n").split("\n")
        old, new = Key.parse(before.removeprefix("from ")), Key.parse(after.removeprefix("to "))
        for key in (old, new):
            note.opened(rotation.note, key, check)
    except (Malformed, NotSigned, ValueError):
        return None
    ours = head == HEAD and log == f"log {name}" and old.name == new.name == name
    return _Link(old, HeldKey(new, rotation.position, rotation.note)) if ours else None
