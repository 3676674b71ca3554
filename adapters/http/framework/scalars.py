"""The scalar types of parameters, each with its check and its JSON schema.

msgspec converts and checks the types that it knows (integers, structs). For these it calls `parse`, and `describe` for
the OpenAPI document. The text of a ValueError is sent to the client after the parameter's name.
"""

from typing import Any, ClassVar, Self

from adapters.providers import PROVIDERS, REPORTED_STATES, iso
from adapters.sql import VISIT_ENDINGS, VISIT_STEPS
from core.event import ANOMALIES, READINGS

_LONGEST = 512


class Name(str):
    """Text that may be a provider's id or another name in the log. Any other text could match nothing."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Self:
        """Raises ValueError unless it is text of 1 to 512 characters that both databases can hold."""
        if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST:
            raise ValueError(f"expected text of 1 to {_LONGEST} characters")
        if "\0" in value or value.encode("utf-8", "ignore").decode() != value:
            raise ValueError("expected text without NUL and without lone surrogates")
        return cls(value)

    @classmethod
    def describe(cls) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": _LONGEST}


class Moment(int):
    """An instant: microseconds since 1970, UTC."""

    @classmethod
    def parse(cls, value: object) -> Self:
        """Raises ValueError unless it is ISO 8601 text with a zone, because a missing zone is not guessed."""
        read = iso(value) if isinstance(value, str) else None
        if read is None or not read[1]:
            raise ValueError("expected a time with its zone, such as 2026-11-21T20:48:00Z")
        return cls(read[0])

    @classmethod
    def describe(cls) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


class Choice(str):
    """One of a few words."""

    __slots__ = ()
    choices: ClassVar[tuple[str, ...]]

    @classmethod
    def parse(cls, value: object) -> Self:
        """Raises ValueError for any other word."""
        if value not in cls.choices:
            raise ValueError(f"expected one of {', '.join(cls.choices)}")
        return cls(value)

    @classmethod
    def describe(cls) -> dict[str, Any]:
        return {"type": "string", "enum": list(cls.choices)}


class AnomalyKind(Choice):
    """A kind of anomaly."""

    __slots__ = ()
    choices = ANOMALIES

    def mask(self) -> int:
        """Its bit in a projection's anomalies."""
        return 1 << ANOMALIES.index(self)


class RelayFilter(Choice):
    """The state by which a list of deliveries to handlers can be filtered."""

    __slots__ = ()
    choices = ("dead",)


class ProviderName(Choice):
    """A provider."""

    __slots__ = ()
    choices = tuple(sorted(PROVIDERS))


class Verdict(Choice):
    """The verdict on a delivery."""

    __slots__ = ()
    choices = ("new", "duplicate", "conflict", "rejected")


class ReadingWord(Choice):
    """The reading of a body."""

    __slots__ = ()
    choices = READINGS


class Ending(Choice):
    """The type of the event that ended a visit of a wms source, or `nothing`."""

    __slots__ = ()
    NOTHING: ClassVar = "nothing"
    choices = (*VISIT_ENDINGS, NOTHING)


class VisitStep(Choice):
    """The last step of the funnel that a visit of a wms source reached."""

    __slots__ = ()
    choices = tuple(VISIT_STEPS)


class Form(Choice):
    """A format of a timeline."""

    __slots__ = ()
    choices = ("json", "csv", "csv-bom", "text")


class ReportedState(Choice):
    """A state of an action that an app may report."""

    __slots__ = ()
    choices = tuple(sorted(REPORTED_STATES))


_KINDS = (Name, Moment, Choice)


def parse(kind: type, value: Any) -> Any:
    """Msgspec's hook to convert values to these types."""
    if issubclass(kind, _KINDS):
        return kind.parse(value)
    raise NotImplementedError(kind)  # how a hook tells msgspec that it does not know the type


def describe(kind: type) -> dict[str, Any]:
    """Msgspec's hook for the JSON schemas of these types."""
    if issubclass(kind, _KINDS):
        return kind.describe()
    raise NotImplementedError(kind)  # how a hook tells msgspec that it does not know the type
