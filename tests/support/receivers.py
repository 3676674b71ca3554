"""What receivers check signatures with, imported by the test that wants it: svix takes a second and a half."""

from typing import Any


def svix_webhook(secret: str) -> Any:
    """Svix's own receiver: it verifies, and signs."""
    from svix.webhooks import Webhook

    return Webhook(secret)
