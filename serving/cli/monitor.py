"""`hilir monitor`."""

from __future__ import annotations

import click


@click.group()
def monitor() -> None:
    """Watch what comes back from traffic."""


@monitor.command()
@click.option(
    "--listen", default="127.0.0.1:8600", show_default=True, metavar="HOST:PORT", help="Address to listen on."
)
@click.option(
    "--outcomes",
    metavar="PLACE",
    help="SQLite file, or postgresql://user:password@host:5432/database. [out/outcomes.sqlite]",
)
@click.option("--tokens-file", metavar="FILE", help="File of bearer tokens; those with the scope outcomes may send.")
@click.option("--replicas", type=click.IntRange(1), default=1, show_default=True, help="Processes that take outcomes.")
def serve(listen: str, outcomes: str | None, tokens_file: str | None, replicas: int) -> None:
    """Take outcomes: POST /v1/outcomes.

    For a gateway in front of TensorFlow Serving; 'hilir serve --outcomes' answers the same call. The gateway sends
    them here with 'hilir gateway run --outcomes HOST:PORT'.
    """
    from hilir.serving.collector.run import run_collector
    from hilir.serving.outcomes.backends import DEFAULT_PLACE, open_store
    from hilir.serving.server.security.tokens import Tokens

    tokens = Tokens.read(tokens_file) if tokens_file else None
    store = open_store(outcomes or DEFAULT_PLACE, replicas)
    run_collector(store, listen, tokens, lambda line: click.echo(line))
