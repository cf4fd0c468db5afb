"""`hilir setup`."""

from __future__ import annotations

import click


@click.command()
@click.argument("tool", type=click.Choice(["tfjs", "browser"]))
@click.option("--python", metavar="PATH", help="Python 3.11 or 3.12 for the environment of tfjs.")
def setup(tool: str, python: str | None) -> None:
    """Install what an export to TensorFlow.js or the browser page needs, into the user's cache folder.

    tfjs is the TensorFlow.js converter, with a TensorFlow of its own (0.9 GB); browser is TensorFlow.js itself, which
    needs Node.js and npm. Both are also installed by the first command that needs them.
    """
    from hilir.setup.tools import make_browser, make_tfjs

    folder = make_tfjs(python) if tool == "tfjs" else make_browser()
    click.echo(f"setup: {folder} is complete")
