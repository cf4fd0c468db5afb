"""`hilir compile`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from hilir.pipeline.cli.options import config_argument, overlay_option, set_option

if TYPE_CHECKING:
    from hilir.pipeline.config import Config


@click.command("compile")
@config_argument
@click.option(
    "-o", "--out", metavar="FILE", help="The file to write; '-' for standard output. [default: out/vertex/<model>.json]"
)
@overlay_option
@set_option
def compile_(config: str, out: str | None, overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Compile the pipeline for Vertex AI, without network or credentials.

    CONFIG is a YAML file. All paths must be in buckets; configs/overlays/vertex.yaml is an example.
    """
    from hilir.pipeline.config import load
    from hilir.pipeline.image.dockerfile import find_lacking
    from hilir.pipeline.report.output_capture import reserved
    from hilir.pipeline.vertex.compile.job_file import check_output, compile_config, write_job

    loaded = load(config, overlays, settings)
    path = out or f"out/vertex/{loaded.config.model.name}.json"
    check_output(path)
    # TensorFlow writes to standard error when it is imported.
    with reserved():
        job = compile_config(loaded.config)
    for warning in find_lacking(loaded.config):
        click.echo(f"warning: {warning}", err=True)
    written = write_job(job, path)
    if written is not None:
        click.echo(f"compiled {loaded.config.model.name} to {written}")
        click.echo(f"next: hilir emulate {written}{''.join(_mappings(loaded.config))}")


def _mappings(config: Config) -> Iterator[str]:
    """Yields the options that an emulation needs for the files that it only reads."""
    for path in (config.data.path, config.schema_.path):
        if path and path.startswith("gs://"):
            folder = path if path == config.data.path else path.rpartition("/")[0]
            yield f" --map {folder}=FOLDER"
