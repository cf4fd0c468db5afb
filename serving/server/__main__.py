"""`python -m hilir.serving.server`: the server without the rest of the command line."""

from __future__ import annotations

import sys

import click

from hilir.serving.errors import ServingError
from hilir.serving.server.cli import serve

try:
    serve()
except ServingError as error:
    click.echo(f"Error: {error}", err=True)
    sys.exit(3)
