"""`python -m hilir.pipeline.cli` is `hilir`."""

from hilir.pipeline.cli import main

main()
