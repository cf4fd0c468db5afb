"""`python -m hilir.pipeline.cli` is `hilir`."""

from hilir.pipeline.cli.start import start

start()
