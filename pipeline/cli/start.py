"""The program's entry point: nothing native is imported before the C library was looked at."""

from __future__ import annotations

import sys

from hilir.setup.glibc import find_fault


def start() -> None:
    """Runs the program, or says what to do where TFX's packages cannot be loaded."""
    fault = find_fault()
    if fault is not None:
        print(f"hilir: {fault}", file=sys.stderr)
        sys.exit(3)
    from hilir.pipeline.cli.main import main

    main()
