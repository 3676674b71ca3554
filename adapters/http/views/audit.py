"""`/v1/audit`: checkpoints, keys, and proofs that an event is in the log or that the log only grew."""

from typing import Annotated

import msgspec
from flask import Response
from msgspec import UNSET, Meta, UnsetType

from adapters.audit import CheckpointSigner, Empty
from adapters.config import Scope
from adapters.http.framework import queries
from adapters.http.framework.problems import BadRequest, NotFound
from adapters.http.framework.routes import Ask, Routes
from adapters.http.framework.scalars import Choice
from core.proofs.note import to_base64

routes = Routes()

PLAIN = "text/plain; charset=utf-8"

Size = Annotated[queries.Position | UnsetType, Meta(description="A number of positions, from the first one on.")]


class Format(Choice):
    """The format of a proof."""

    __slots__ = ()
    choices = ("json", "tlog-proof")


class CheckpointAsked(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Without a parameter: the newest one."""

    size: Annotated[Size, Meta(description="The one over exactly so many positions.")] = UNSET
    fresh: Annotated[bool, Meta(description="Makes one first, where the log grew since the newest one.")] = False


class ProofAsked(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """`position`: the event is in the log of `size`. Or `from` and `to`: the one log begins with the other."""

    position: Annotated[queries.Position | UnsetType, Meta(description="An event's position.")] = UNSET
    size: Annotated[Size, Meta(description="In the log of so many positions; else of a checkpoint's.")] = UNSET
    from_: Annotated[Size, Meta(description="A number of positions that the log had.")] = UNSET
    to: Annotated[Size, Meta(description="A number of positions that it had later.")] = UNSET
    format: Annotated[
        Format | UnsetType,
        Meta(description="A `tlog-proof` is a file for any verifier (c2sp.org/tlog-proof); else JSON."),
    ] = UNSET


class InclusionProof(msgspec.Struct, tag_field="kind", tag="inclusion"):
    """RFC 6962: hashes in base64, the leaf's sibling first; `index` counts from 0. `checkpoint`: one of that size."""

    position: int
    index: int
    size: int
    leaf: str
    path: list[str]
    root: str
    checkpoint: str | None


class ConsistencyProof(msgspec.Struct, tag_field="kind", tag="consistency", rename={"from_": "from"}):
    """RFC 6962: the log of `to` positions begins with that of `from`. Hashes in base64."""

    from_: int
    to: int
    from_root: str
    to_root: str
    path: list[str]


class AuditKey(msgspec.Struct):
    """A verifier key. `since`: the position of the event from which on it signs; null for the first one.

    `note`: that event's note, signed by the previous key and this one (c2sp.org/signed-note).
    """

    key: str
    since: int | None
    note: str | None


class AuditKeys(msgspec.Struct):
    """The keys of the log, the current one last."""

    data: list[AuditKey]


@routes.one(Scope.READ, "/v1/audit/key", queries.Plain, str, media="text/plain")
def audit_key(ask: Ask[queries.Plain]) -> Response:
    """The log's verifier key (c2sp.org/signed-note): name, key id and Ed25519 public key. Store it elsewhere."""
    return Response(f"{_signer(ask).key}\n", content_type=PLAIN)


@routes.one(Scope.READ, "/v1/audit/keys", queries.Plain, AuditKeys)
def audit_keys(ask: Ask[queries.Plain]) -> AuditKeys:
    """Every key that signed the log, the first one first. Each vouches for the next in an event of the log."""
    return AuditKeys([AuditKey(str(one.key), one.since or None, one.note) for one in _signer(ask).chain().keys])


@routes.one(Scope.READ, "/v1/audit/checkpoint", CheckpointAsked, str, media="text/plain", whole=True)
def checkpoint(ask: Ask[CheckpointAsked]) -> Response:
    """A checkpoint of the log: its size and Merkle root, signed (c2sp.org/tlog-checkpoint)."""
    signer, size = _signer(ask), ask.query.size
    if size is not UNSET:
        found = signer.checkpoint_of(size)
        if found is None:
            raise NotFound(f"no checkpoint of size {size} was made")
        return Response(found, content_type=PLAIN)
    newest = None if ask.query.fresh else signer.newest()
    return Response(newest.note if newest else _made(signer), content_type=PLAIN)


@routes.one(
    Scope.READ, "/v1/audit/proof", ProofAsked, InclusionProof | ConsistencyProof, also=("text/plain",), whole=True
)
def proof(ask: Ask[ProofAsked]) -> InclusionProof | ConsistencyProof | Response:
    """Proves that an event is in the log (`position`), or that the log only grew (`from`, `to`)."""
    asked = ask.query
    inclusion, growth = asked.position is not UNSET, asked.from_ is not UNSET or asked.to is not UNSET
    if inclusion == growth or (growth and asked.size is not UNSET):
        raise BadRequest("ask with position (and size), or with from and to")
    return _inclusion(_signer(ask), asked) if inclusion else _consistency(_signer(ask), asked)


def _inclusion(signer: CheckpointSigner, asked: ProofAsked) -> InclusionProof | Response:
    position, size = _given(asked.position, "position"), None if asked.size is UNSET else asked.size
    _check_within(signer, "position" if size is None else "size", position if size is None else size)
    if not 1 <= position <= (size or position):
        raise BadRequest(f"position: expected 1 to {size or 'the last'}", parameter="position")
    found = signer.inclusion(position, size)
    if asked.format == "tlog-proof":
        file = found.file()
        if file is None:
            raise NotFound(f"no checkpoint of size {size} was made: leave size out")
        return Response(file, content_type=PLAIN)
    hashes = to_base64(found.leaf), list(map(to_base64, found.path)), to_base64(found.root)
    return InclusionProof(position, position - 1, found.size, *hashes, found.checkpoint)


def _consistency(signer: CheckpointSigner, asked: ProofAsked) -> ConsistencyProof:
    if asked.format == "tlog-proof":
        raise BadRequest("format: a tlog-proof is one of inclusion", parameter="format")
    first, second = _given(asked.from_, "from"), _given(asked.to, "to")
    _check_within(signer, "to", second)
    if not 1 <= first <= second:
        raise BadRequest(f"from: expected 1 to {second}", parameter="from")
    found = signer.consistency(first, second)
    roots = to_base64(found.first_root), to_base64(found.second_root)
    return ConsistencyProof(first, second, *roots, list(map(to_base64, found.path)))


def _given(value: int | UnsetType, name: str) -> int:
    if value is UNSET:
        raise BadRequest(f"{name}: missing", parameter=name)
    return value


def _check_within(signer: CheckpointSigner, name: str, size: int) -> None:
    head = signer.head()
    if not 1 <= size <= head:
        raise BadRequest(f"{name}: expected 1 to {head}, the log's last position", parameter=name)


def _made(signer: CheckpointSigner) -> str:
    try:
        return signer.checkpoint()
    except Empty as error:
        raise NotFound(str(error)) from error


def _signer(ask: Ask[msgspec.Struct]) -> CheckpointSigner:
    if ask.api.signer is None:
        raise NotFound("nobody signs here")
    return ask.api.signer
