"""`hilir report`."""

from __future__ import annotations

import gc
from pathlib import Path

import click

from hilir.pipeline.cli.options import overlay_option, set_option


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write it to this file too.")
@click.option("--anew", is_flag=True, help="Read the run's artifacts again, for a run without a report.")
@click.option(
    "--slice",
    "slices",
    multiple=True,
    metavar="NAME",
    help='Show the plots of this slice too, for example "hour=3"; may be repeated. Reads the artifacts again.',
)
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@overlay_option
@set_option
def report(
    run_id: str | None,
    out: Path | None,
    anew: bool,
    slices: tuple[str, ...],
    show: bool,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """Write the report of RUN, by default the newest, as one HTML file, and print its path.

    A run writes its report itself, after each step: runs/RUN/report.html.
    """
    from hilir.pipeline.run.past.folders import find_folder
    from hilir.pipeline.run.past.reports import collect_anew, write_page

    folder = find_folder(run_id, settings)
    if anew or slices:
        gc.disable()
        from hilir.pipeline.config import load
        from hilir.pipeline.report.output_capture import reserved

        loaded = load(str(folder / "config.yaml"), overlays, settings)
        with reserved():
            page = collect_anew(loaded, folder, slices)
    else:
        page = write_page(folder)
    if out is not None:
        from hilir.components.staging import write_file

        write_file(out, page.read_bytes())
        page = out
    click.echo(f"{page}")
    if show:
        click.launch(page.resolve().as_uri())
