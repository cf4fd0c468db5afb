"""`hilir image`."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path

import click

from hilir.pipeline.cli.options import config_argument, overlay_option, set_option


@click.command()
@config_argument
@click.option("--base", metavar="IMAGE", help="hilir's image to build on. [default: hilir:VERSION]")
@click.option("--tag", metavar="IMAGE", help="Name of the new image. [default: vertex.image, else MODEL:1]")
@click.option("--push", is_flag=True, help="Push the image to its registry.")
@click.option("--dry-run", is_flag=True, help="Print the files and the commands; build nothing.")
@overlay_option
@set_option
def image(
    config: str,
    base: str | None,
    tag: str | None,
    push: bool,
    dry_run: bool,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """Build an image with your package and configuration on top of hilir's.

    It is built from the Dockerfile of the project's folder, which is written if it is missing, with Docker, Podman or
    Buildah. Python files, packages and YAML files of the folder are sent to the builder, and nothing else.
    """
    from hilir.pipeline.config import load
    from hilir.pipeline.errors import ConfigError
    from hilir.pipeline.image import build_image, context, dockerfile

    found = load(config, overlays, settings).config
    folder = context.find_project(found.model.package or "", Path(config))
    base = base or dockerfile.default_base()
    tag = tag or found.vertex.image or f"{found.model.name}:1"
    if tag == base:
        raise ConfigError(f"the image would replace the one it is built on, {base}; give another name with --tag")
    files = context.list_files(folder, found, Path(config))
    own = folder / dockerfile.NAME
    if own.exists():
        dockerfile.check_dockerfile(own)
    if dry_run:
        click.echo(f"files of {folder}: {', '.join(map(str, files))}")
        for command in build_image.make_commands(build_image.ENGINES[0], "CONTEXT", base, tag, push=push):
            click.echo(shlex.join(command))
        return
    engine = build_image.find_engine()
    if not own.exists():
        own.write_text(dockerfile.make_dockerfile(), encoding="utf-8")
        click.echo(f"wrote {own}; keep it with the project")
    with tempfile.TemporaryDirectory() as target:
        context.write_context(folder, [*files, Path(dockerfile.NAME)], Path(target))
        build_image.run_commands(list(build_image.make_commands(engine, target, base, tag, push=push)))
    click.echo(f"built {tag}" + (" and pushed it" if push else ""))
    click.echo(f"next: hilir compile {config} --set vertex.image={tag}")
