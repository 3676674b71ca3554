"""The service as a WSGI application under a threaded server of another make: no writing process, no RSGI."""

import logging
import os

from werkzeug.serving import make_server

from adapters.config import load
from app import create_app


def main() -> None:
    """Serves until it is killed."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    settings = load(None, os.environ)
    make_server("127.0.0.1", settings.port, create_app(settings), threaded=True).serve_forever()
