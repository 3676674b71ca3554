"""Sources and secrets as a configuration would name them."""

from dataclasses import dataclass, field

SECRETS = {"amps": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "wms": "wms-test-secret-0123456789abcdef"}
"""By provider; the others do not sign."""


@dataclass
class TestSecret:
    __test__ = False
    ref: str
    value: str


@dataclass
class TestSource:
    """A configured source that has only what a provider is built from."""

    __test__ = False
    name: str
    provider: str
    secrets: list[TestSecret] = field(default_factory=list)
    node_ascii: bool = False
    event_type: str | None = None
    package_name: str | None = None
    overdue_after: int | None = None
    presumed_ended_after: int | None = None


def source(provider: str, name: str = "") -> TestSource:
    secrets = [TestSecret(f"env:{provider.upper()}_SECRET", SECRETS[provider])] if provider in SECRETS else []
    return TestSource(name or provider, provider, secrets)
