from __future__ import annotations

import os

import pytest

from hilir.components.trainer.distribution.gpu_memory import GROWTH, set_gpu_memory
from hilir.pipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("setting", "growth"), [("all", "false"), ("growth", "true"), ("{limit_mb: 512}", "true"), (None, "true")]
)
def test_processes_that_are_started_take_as_much(make_settings, monkeypatch, setting, growth):
    monkeypatch.setenv(GROWTH, "")
    settings = make_settings(*([] if setting is None else [f"train.gpu_memory={setting}"]))
    set_gpu_memory(settings.gpu_memory)
    assert os.environ[GROWTH] == growth


@pytest.mark.parametrize("setting", ["some", "{limit_mb: 0}", "{limit: 5}"])
def test_anything_else_is_refused(make_settings, setting):
    with pytest.raises(ConfigError, match=r"train\.gpu_memory"):
        make_settings(f"train.gpu_memory={setting}")
