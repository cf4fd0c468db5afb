from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def make_settings():
    """Returns a function from settings (`train.epochs=3`) to the checked `train` section."""

    def make(*settings: str, config: str = "configs/digits.yaml") -> Any:
        from hilir.pipeline.config import load

        return load(config, settings=settings).config.train

    return make
