"""`hilir run`."""

from __future__ import annotations

import click

DEFAULT = "configs/taxi.yaml"


@click.command()
@click.argument("config", default=DEFAULT)
@click.option("--overlay", "overlays", multiple=True, metavar="FILE", help="Another YAML on top, for an environment.")
@click.option("--set", "settings", multiple=True, metavar="A.B=C", help="Set one key, for example train.epochs=3.")
@click.option(
    "--from", "first", multiple=True, metavar="NODE", help="Run from this node; earlier ones from the last run."
)
@click.option("--to", "last", multiple=True, metavar="NODE", help="Run up to this node.")
@click.option("--no-cache", is_flag=True, help="Run every step, also unchanged ones.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def run(
    config: str,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
    first: tuple[str, ...],
    last: tuple[str, ...],
    no_cache: bool,
    as_json: bool,
) -> None:
    """Train, evaluate and push a model on this machine.

    CONFIG is a YAML file, configs/taxi.yaml if none is given.
    """
    from pipeline.config import load
    from pipeline.report.summary import Summary, write_lines
    from pipeline.session import Options, run_locally

    summaries: list[Summary] = []
    loaded = load(config, overlays, settings)
    options = Options(config, first, last, cache=not no_cache)
    try:
        run_locally(loaded, options, summaries.append)
    finally:
        for summary in summaries:
            if summary.status == "succeeded":
                click.echo("\n".join(write_lines(summary, config)))
            if as_json:
                click.echo(_one_line(summary))


def _one_line(summary: object) -> str:
    import orjson

    return orjson.dumps(summary.as_dict()).decode()  # type: ignore[attr-defined]
