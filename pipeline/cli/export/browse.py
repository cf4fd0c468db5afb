"""`hilir browse`."""

from __future__ import annotations

from pathlib import Path

import click

from hilir.pipeline.cli.options import config_argument, overlay_option, set_option


@click.command()
@config_argument
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 for any free port.",
)
@click.option(
    "--write", "folder", type=click.Path(path_type=Path), help="Write the page to this folder instead of serving it."
)
@overlay_option
@set_option
def browse(
    config: str, host: str, port: int, folder: Path | None, overlays: tuple[str, ...], settings: tuple[str, ...]
) -> None:
    """Try the newest exports in the browser.

    The page shows every model below the serving root of CONFIG; it computes in the browser alone, works without a
    network once loaded, and can be written to a folder for any web server with --write.
    """
    from hilir.pipeline.browser.site import collect_site, write_site
    from hilir.pipeline.browser.site_server import make_site_server
    from hilir.pipeline.config import load

    root = Path(load(config, overlays, settings).config.serving.root)
    site = collect_site(root)
    if folder is not None:
        write_site(site, folder)
        click.echo(f"the page is in {folder}; serve it with any web server")
        return
    with make_site_server((host, port), root) as server:
        click.echo(f"open {server.url}/   (Ctrl-C to stop)")
        try:
            server.wait()
        except KeyboardInterrupt:
            click.echo("")
