"""What the events mean that end a visit: who answers a visitor need not know the provider's names."""

from typing import Any

MEANINGS = {
    "PAGE_UNLOADED": "the visitor closed the page, left it or loaded it anew",
    "CAMERA_PERMISSION_DENIED": "the visitor, or the browser for them, did not allow the camera",
    "MEASUREMENT_CANCELED": "the scan was canceled on the page",
    "LOW_SNR": "the signal was too weak to be measured",
    "CONSTRAINT_VIOLATION": "a condition of the scan was not met; the event's body may say which",
    "GENERAL_ERROR": "something failed on the page; the event's body may say what",
    "API_ERROR": "the measurement service answered with an error; the event's body may say which",
    "REDIRECTING_TO_CALLBACK": "the visitor was sent back to the page that had asked for the scan",
}


def meanings(why: Any) -> list[tuple[str, str]]:
    """The events of the chain that the sentence of a `…/why` names, in their order, each with its meaning."""
    names = dict.fromkeys(step.type for step in why.chain if step.type in MEANINGS and step.type in why.sentence)
    return [(name, MEANINGS[name]) for name in names]
