"""`python -m pipeline.cli` is `hilir`."""

from pipeline.cli import main

main()
