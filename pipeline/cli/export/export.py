"""`hilir export`."""

from __future__ import annotations

from pathlib import Path

import click

from hilir.pipeline.cli.options import config_argument, overlay_option, set_option
from hilir.serving.cli.options import Group

examples_option = click.option(
    "--examples",
    metavar="FOLDER",
    help="Raw examples with the folders Split-train and Split-eval. [default: those of the version's run]",
)


@click.group(cls=Group)
def export() -> None:
    """Export pushed versions for phones, embedded devices and browsers."""


def _command(name: str, runtime: str, variants: tuple[str, ...]) -> None:
    """Adds the command that exports to one runtime."""

    @export.command(name, help=f"Convert VERSION of CONFIG's model to {runtime} and verify the result.")
    @click.argument("version", type=click.IntRange(1))
    @config_argument
    @click.option(
        "--variant",
        "variants",
        multiple=True,
        type=click.Choice(variants),
        help="Make this variant instead of those of CONFIG; may be repeated.",
    )
    @examples_option
    @overlay_option
    @set_option
    def export_to(
        version: int,
        config: str,
        variants: tuple[str, ...],
        examples: str | None,
        overlays: tuple[str, ...],
        settings: tuple[str, ...],
    ) -> None:
        from hilir.pipeline.config import load
        from hilir.pipeline.report.output_capture import reserved
        from hilir.pipeline.versions.exports import export_version, read_exports, write_table

        found = load(config, overlays, settings).config
        log = Path(found.pipeline.runs) / f"export-{found.model.name}-{version}-{name}.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        click.echo(f"exporting version {version} of {found.model.name} (log: {log})")
        with reserved(log):
            folder = export_version(found, version, name, variants, examples)
        for line in write_table({name: read_exports(found, version)[name]}):
            click.echo(line)
        click.echo(f"version {version} is exported to {folder}")


_command("tflite", "TensorFlow Lite", ("float32", "dynamic_range", "float16", "int8", "int16x8"))
_command("tfjs", "TensorFlow.js", ("float32", "float16", "uint8"))


@export.command("bench")
@click.argument("version", type=click.IntRange(1))
@config_argument
@overlay_option
@set_option
def bench(version: int, config: str, overlays: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Print size, speed and accuracy of the exports of VERSION."""
    from hilir.pipeline.config import load
    from hilir.pipeline.versions.exports import read_exports, write_table

    for line in write_table(read_exports(load(config, overlays, settings).config, version)):
        click.echo(line)
