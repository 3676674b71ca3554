"""Providers as configured for the tests, and the headers of deliveries to them."""

from typing import Any

from adapters.config import Secret, Source
from adapters.providers import Provider, build

WMS_SECRET = "wms-test-secret-0123456789abcdef"
SVIX_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def provider(name: str, *secrets: str, **settings: Any) -> Provider:
    """The provider of a source whose secrets are `env:SECRET_0`, `env:SECRET_1`, ..."""
    refs = tuple(Secret(f"env:SECRET_{number}", secret) for number, secret in enumerate(secrets))
    return build(Source("source", name, refs, **settings))


def wms(*secrets: str, **settings: Any) -> Provider:
    return provider("wms", *(secrets or (WMS_SECRET,)), **settings)


def amps(*secrets: str, **settings: Any) -> Provider:
    return provider("amps", *(secrets or (SVIX_SECRET,)), **settings)
