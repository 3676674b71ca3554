"""A Flask endpoint that does nothing: reads the body, answers a constant."""

from flask import Flask, request

app = Flask(__name__)


@app.post("/in/<source>")
def deliver(source: str) -> tuple[str, dict[str, str]]:  # noqa: ARG001 - the path has it
    request.get_data()
    return '{"status": "success"}', {"Content-Type": "application/json"}
