"""Parses query strings strictly: unknown, repeated or misspelt parameters are refused by name."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from adapters.http.framework.problems import BadRequest
from adapters.http.framework.scalars import parse as parse_word

S = TypeVar("S", bound=msgspec.Struct)

_MOST_PARAMETERS = 50
_WHOLE = re.compile(r"[+-]?[0-9]+")
_AT = re.compile(r" - at `\$\.(\w+).*`$")
_MISSING = re.compile(r"missing required field `(\w+)`")
_EXPECTED = re.compile(r"Expected `([^`]+)`(?: ([<>])= (\d+))?")
_KINDS = {"int": "a whole number", "bool": "true or false", "str": "text", "array": "a list"}
_SIZES = {">": "of at least", "<": "of at most"}


def read_query(query_string: bytes) -> dict[str, str]:
    """The parameters of a query string. Raises BadRequest if one is repeated or is not UTF-8."""
    try:
        pairs = parse_qsl(
            query_string.decode("latin-1"),
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        raise BadRequest(f"more than {_MOST_PARAMETERS} parameters") from None
    parameters: dict[str, str] = {}
    for name, value in pairs:
        shown = name.encode("utf-8", "replace").decode()
        if name in parameters:
            raise BadRequest(f"{shown}: given more than once", parameter=shown)
        if not _is_text(name) or not _is_text(value):
            raise BadRequest(f"{shown}: not UTF-8", parameter=shown)
        parameters[name] = value
    return parameters


def as_query(kind: type[S], parameters: Mapping[str, str]) -> S:
    """Converts parameters to the struct that declares them. Raises BadRequest, which names the parameter."""
    query = _converted(kind, parameters, strict=False)
    _check_digits(query, parameters)
    return query


def as_document(kind: type[S], document: Mapping[str, Any], missing: Sequence[str] = ()) -> S:
    """Converts a JSON object to the struct that declares it. Raises BadRequest with the field, or all missing ones.

    `missing` names what is missing besides fields, such as headers.
    """
    fields = (field.encode_name for field in msgspec.structs.fields(kind) if field.required)
    absent = [*missing, *(name for name in fields if name not in document)]
    if len(absent) > 1:
        raise BadRequest(f"{', '.join(absent)}: missing: all of them are required", parameter=absent[0])
    return _converted(kind, document, strict=True)


def _check_digits(query: msgspec.Struct, parameters: Mapping[str, str]) -> None:
    """Raises BadRequest for 1e1 and 10.0, which msgspec accepts as integers."""
    for field in msgspec.structs.fields(query):
        name = field.encode_name
        whole = type(getattr(query, field.name)) is int
        if whole and name in parameters and _WHOLE.fullmatch(parameters[name]) is None:
            raise BadRequest(f"{name}: expected a whole number", parameter=name)


_preparing = Lock()


@cache
def prepare(kind: type[msgspec.Struct]) -> None:
    """Makes msgspec prepare a type before its first use, one thread at a time.

    Otherwise msgspec prepares it at its first use, and a thread that converts meanwhile reads a null pointer (0.22.0).
    """
    with _preparing:
        msgspec.json.Decoder(kind)


def _converted(kind: type[S], given: Mapping[str, Any], *, strict: bool) -> S:
    for name in given:
        if name not in kind.__struct_encode_fields__:
            known = ", ".join(sorted(kind.__struct_encode_fields__))
            raise BadRequest(f"{name}: unknown here; known: {known}", parameter=name)
    prepare(kind)
    try:
        return msgspec.convert(given, kind, strict=strict, dec_hook=parse_word)
    except msgspec.ValidationError as error:
        name, what = _named(str(error))
    plus = not strict and what.startswith("expected a time") and " " in str(given[name])
    hint = "; a + is sent as %2B" if plus else ""
    raise BadRequest(f"{name}: {what}{hint}", parameter=name)


def _named(message: str) -> tuple[str, str]:
    """The field and its fault, from msgspec's "Expected `int`, got `str` - at `$.limit`"."""
    if (missing := _MISSING.search(message)) is not None:
        return missing[1], "missing: it is required"
    name, what = _AT.search(message), _AT.sub("", message)
    return (name[1] if name else "the body"), _in_our_words(what)


def _in_our_words(what: str) -> str:
    found = _EXPECTED.match(what)
    if found is None:
        return what
    kind, sign, bound = found.groups()
    size = f" {_SIZES[sign]} {bound}" if sign else ""
    return f"expected {_KINDS.get(kind, kind)}{size}"


def is_optional(kind: type[msgspec.Struct]) -> bool:
    """Whether all fields of this struct are optional."""
    return not any(field.required for field in msgspec.structs.fields(kind))


def _is_text(value: str) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in value)
