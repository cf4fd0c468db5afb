"""Arguments and options that several commands share."""

from __future__ import annotations

import click

DEFAULT_CONFIG = "configs/taxi.yaml"

config_argument = click.argument("config", default=DEFAULT_CONFIG)
overlay_option = click.option(
    "--overlay", "overlays", multiple=True, metavar="FILE", help="Another YAML on top, for an environment."
)
set_option = click.option(
    "--set", "settings", multiple=True, metavar="A.B=C", help="Set one key, for example train.epochs=3."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
