"""`hilir monitor`."""

from __future__ import annotations

import json

import click

from hilir.serving.cli.options import Group, find_config


@click.group(cls=Group)
def monitor() -> None:
    """Watch what comes back from traffic: outcomes, drift, quality."""


@monitor.command()
@click.option(
    "--listen", default="127.0.0.1:8650", show_default=True, metavar="HOST:PORT", help="Address to listen on."
)
@click.option(
    "--outcomes",
    metavar="PLACE",
    help="SQLite file, or postgresql://user:password@host:5432/database. [default: out/outcomes.sqlite]",
)
@click.option("--tokens-file", metavar="FILE", help="File of bearer tokens; those with the scope outcomes may send.")
@click.option("--replicas", type=click.IntRange(1), default=1, show_default=True, help="Processes that take outcomes.")
def serve(listen: str, outcomes: str | None, tokens_file: str | None, replicas: int) -> None:
    """Take outcomes: POST /v1/outcomes.

    For a gateway in front of TensorFlow Serving; 'hilir serve --outcomes' answers the same call. The gateway sends
    them here with 'hilir gateway run --outcomes HOST:PORT'.
    """
    from hilir.serving.collector.run_collector import run_collector
    from hilir.serving.outcomes.backends import DEFAULT_PLACE, open_store
    from hilir.serving.server.security.tokens import Tokens

    tokens = Tokens.read(tokens_file) if tokens_file else None
    store = open_store(outcomes or DEFAULT_PLACE, replicas)
    run_collector(store, listen, tokens, lambda line: click.echo(line))


@monitor.command()
@click.argument("config", required=False, callback=find_config)
@click.option(
    "--log", metavar="PREFIX", help="Prefix of the request log, or a pattern of its files. [default: monitor.log]"
)
@click.option("--once", is_flag=True, help="Read what there is, and exit.")
@click.option("--metrics", metavar="FILE", help="File for Prometheus' node_exporter. [default: monitor.metrics]")
@click.option(
    "--listen", metavar="HOST:PORT", help="Address to serve metrics for Prometheus. [default: monitor.listen]"
)
@click.option("--json", "as_json", is_flag=True, help="Print each closed window as a JSON object.")
def run(
    config: str, log: str | None, once: bool, metrics: str | None, listen: str | None, as_json: bool
) -> None:  # fmt: skip
    """Read the request log, window by window, until Ctrl-C.

    May be killed at any time: the next one continues where it stopped.
    """
    from hilir.serving.monitor.monitor_commands import run_monitor
    from hilir.serving.monitor.settings import read_project

    run_monitor(read_project(config, log=log, metrics=metrics, listen=listen), click.echo, once=once, as_json=as_json)


@monitor.command()
@click.argument("config", required=False, callback=find_config)
@click.option(
    "--since", default="24h", show_default=True, metavar="DURATION", help="How far to look back: 90m, 24h, 7d."
)
@click.option("--html", metavar="FILE", help="Write a page with the 12 worst features as pictures.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def drift(config: str, since: str, html: str | None, as_json: bool) -> None:
    """Show which features differ from the training data, the worst first."""
    from hilir.serving.monitor.monitor_commands import count_waiting, look_back, write_html
    from hilir.serving.monitor.settings import read_project
    from hilir.serving.monitor.window_summary import describe, write_lines

    project = read_project(config)
    windows, histories = look_back(project, since)
    if html is not None:
        write_html(project, since, histories, html)
    if as_json:
        click.echo(json.dumps(describe(project.model, windows, histories)))
        return
    click.echo("\n".join(write_lines(project.model, windows, histories, since)))
    if not windows:
        needed = f"{project.settings.window_rows:,} and {project.settings.window_seconds / 60:g} minutes"
        for version, rows in sorted(count_waiting(project).items()):
            click.echo(f"  version {version}: {rows:,} rows are in its open window, which needs {needed}")
    if html is not None:
        click.echo(f"\n  pictures: {html}")
