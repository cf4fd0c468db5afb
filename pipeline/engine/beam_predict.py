"""Predicts the rows of a file on Beam's workers; the answers are those of `hilir predict` without them."""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from hilir.components.staging import PREFIX
from hilir.pipeline.config.schema import Config
from hilir.pipeline.engine.beam_options import count_workers, list_run_options
from hilir.serving.errors import PredictError
from hilir.serving.predict.scoring import Outputs, Request, score_share

_FAULT = ".fault"


def score_on_workers(request: Request, config: Config) -> Iterator[Outputs]:
    """Yields the outputs for each piece of the file, in their order.

    Each worker reads the whole file, which costs little next to the scoring, and scores its share of the pieces. The
    folders of the file, the version and the output have to be there under the same path on every worker.

    Raises:
        PredictError: a cell is not what the model takes, or a piece is missing.
    """
    request = replace(
        request, file=request.file.absolute(), folder=request.folder.absolute(), out=request.out.absolute()
    )
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=request.out.parent)
    try:
        shares = count_workers(config)
        with beam.Pipeline(options=PipelineOptions(list_run_options(config))) as pipeline:
            _ = (
                pipeline
                | "Shares" >> beam.Create(range(shares))
                | "OnePerWorker" >> beam.Reshuffle()
                | "Score" >> beam.Map(write_share, request=request, shares=shares, folder=folder)
            )
        faults = sorted(Path(folder).glob(f"*{_FAULT}"), key=lambda path: int(path.stem))
        if faults:
            raise PredictError(faults[0].read_text(encoding="utf-8"))
        for number in count():
            path = Path(folder) / str(number)
            if not path.exists():
                return
            yield pickle.loads(path.read_bytes())  # noqa: S301 - written above, into a folder of this user alone
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_share(share: int, request: Request, shares: int, folder: str) -> None:
    """Writes the outputs for a share of the pieces into a folder, or the first fault of one."""
    number = share - shares
    try:
        for number, outputs in score_share(request, share, shares):
            with tempfile.NamedTemporaryFile(dir=folder, prefix=PREFIX, delete=False) as file:
                pickle.dump(outputs, file)
            Path(file.name).rename(Path(folder) / str(number))
    except PredictError as error:
        (Path(folder) / f"{number + shares}{_FAULT}").write_text(str(error), encoding="utf-8")
