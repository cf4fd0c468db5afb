"""`hilir predict`."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hilir.serving.predict.scoring import Outputs, Request


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[MODEL|VERSION|MODEL/VERSION] FILE")
@click.option("--out", "out", required=True, metavar="FILE", help="File to write: .csv, .parquet or .jsonl.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Column of FILE to write, too; may be repeated.")
@click.option("--root", metavar="PATH", help="Folder with the models' versions. [default: out/models]")
@click.option(
    "--config", metavar="FILE", help="A project's configuration: root, model, data.csv. [default: the only one here]"
)
@click.option(
    "--runner",
    type=click.Choice(["local", "multiprocess", "flink"]),
    help="Predict on workers of Beam, which `beam` in the configuration describes. [default: without Beam]",
)
def predict(
    words: tuple[str, ...], out: str, keep: tuple[str, ...], root: str | None, config: str | None, runner: str | None
) -> None:
    """Predict each row of a file with a pushed version.

    FILE is CSV, Parquet or JSON Lines, and has the columns that the model takes. Without MODEL or VERSION: the stable
    version of the only model, or the newest where nothing was released.
    """
    if len(words) > 2:
        raise click.UsageError(f"one MODEL or VERSION and one FILE, not {len(words)} words")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from hilir.serving.predict.choice import choose_version
    from hilir.serving.predict.dialect import read_dialect
    from hilir.serving.predict.readers import find_form, open_source
    from hilir.serving.projects import find_configs
    from hilir.serving.release.selection import select
    from hilir.serving.server.output import quiet_tensorflow

    if config is None and root is None and len(found := find_configs()) == 1:
        config = str(found[0])
    if runner is not None and config is None:
        raise click.UsageError("--runner needs a project's configuration; give --config FILE")
    dialect = read_dialect(config)
    store, model = select(root, None, config)
    chosen = choose_version(store, model, words[0] if len(words) == 2 else None)
    # Before TensorFlow is loaded, which takes seconds.
    open_source(Path(words[-1]), dialect)
    find_form(Path(out))
    if runner is not None:
        from hilir.components.tensorflow_environment import prepare_environment

        prepare_environment()
    with quiet_tensorflow():
        from hilir.serving.predict.scoring import Request, predict_file
    # As in `hilir serve`: whoever types this can change none of the functions that are deprecated.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    request = Request(
        chosen.model, chosen.version, chosen.folder, Path(words[-1]), Path(out), tuple(dict.fromkeys(keep)), dialect
    )
    elsewhere = None if runner is None or config is None else _prepare_workers(config, runner)
    start = time.perf_counter()
    rows = predict_file(request, elsewhere=elsewhere)
    seconds = time.perf_counter() - start
    click.echo(
        f"{out}: {rows:,} rows predicted by {chosen.model} version {chosen.version}{chosen.why}, "
        f"{seconds:.1f} s ({rows / seconds:,.0f} rows/s)"
    )


def _prepare_workers(config: str, runner: str) -> Callable[[Request], Iterator[Outputs]]:
    from hilir.pipeline.config import load
    from hilir.pipeline.engine.beam_predict import score_on_workers

    loaded = load(config, settings=[f"beam.runner={runner}"])
    return partial(score_on_workers, config=loaded.config)
