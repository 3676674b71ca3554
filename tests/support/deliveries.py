"""Providers as configured for the tests; typed as Any, because a test knows which answer it asks for."""

from typing import Any

from adapters.config import Secret, Source
from adapters.providers import build

WMS_SECRET = "wms-test-secret-0123456789abcdef"
SVIX_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def provider(name: str, *secrets: str, **settings: Any) -> Any:
    """The provider of a source whose secrets are `env:SECRET_0`, `env:SECRET_1`, ..."""
    refs = tuple(Secret(f"env:SECRET_{number}", secret) for number, secret in enumerate(secrets))
    return build(Source("source", name, refs, **settings))


def wms(*secrets: str, **settings: Any) -> Any:
    return provider("wms", *(secrets or (WMS_SECRET,)), **settings)


def amps(*secrets: str, **settings: Any) -> Any:
    return provider("amps", *(secrets or (SVIX_SECRET,)), **settings)
