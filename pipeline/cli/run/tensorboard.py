"""`hilir tensorboard`."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile

import click

from hilir.pipeline.cli.options import overlay_option, set_option
from hilir.serving.cli.options import find_config


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option(
    "--config",
    metavar="CONFIG",
    callback=find_config,
    help="The configuration whose pipeline ran; by default the only one here.",
)
@overlay_option
@set_option
@click.option(
    "--port", default=6006, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 for any free one."
)
def tensorboard(
    run_id: str | None,
    config: str,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
    port: int,
) -> int:
    """Look at the training of a run in TensorBoard; without RUN, of all runs."""
    from hilir.pipeline.config import load
    from hilir.pipeline.report.output_capture import reserved
    from hilir.pipeline.run.past.training_logs import find_logs

    loaded = load(config, overlays, settings)
    with reserved():
        logs = find_logs(loaded.config, run_id)
    click.echo(f"{len(logs)} training{'' if len(logs) == 1 else 's'}: {', '.join(logs)} (Ctrl-C ends TensorBoard)")
    with tempfile.TemporaryDirectory(prefix="hilir-") as folder:
        # TensorBoard names runs after folders, and recommends links for any other names.
        for name, logs_folder in logs.items():
            os.symlink(os.path.abspath(logs_folder), os.path.join(folder, name))
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", folder, "--port", str(port)]
        with contextlib.suppress(KeyboardInterrupt):
            return subprocess.run(command, env={"TF_CPP_MIN_LOG_LEVEL": "2"} | os.environ, check=False).returncode
    return 0
