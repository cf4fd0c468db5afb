"""--fast: steps forked from a preloaded process behave as fresh ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from hilir.pipeline.emulator import emulation
from tests.unit.pipeline.emulator.conftest import Emulator
from tests.unit.pipeline.emulator.specs import Builder

FAST = emulation.Options(fast=True, parallel=4)

MODULE = """
import json, os, sys, time
LOADED_BY = os.getpid()
given = json.loads(sys.argv[1]) if __name__ == "__main__" else {}
if __name__ == "__main__":
    mode = given["inputs"]["parameterValues"]["mode"]
    print(__name__, os.getpgrp() == os.getpid(), os.environ.get("COLOUR"), "probe_helper" in sys.modules)
    print(os.environ.get("SECRET_TOKEN"))
    if mode == "raise":
        raise ValueError("on purpose")
    if mode == "exit":
        sys.exit(7)
    if mode == "kill":
        os.kill(os.getpid(), 9)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "probe_module.py").write_text(MODULE)
    (folder / "probe_helper.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{Path.cwd()}")
    monkeypatch.setattr(emulation, "find_modules", lambda _: ["probe_helper", "probe_module", "no_such_module"])
    return folder


def job(*modes: str) -> Builder:
    builder = Builder()
    for mode in modes:
        builder.step(mode, "", parameters={"mode": mode}, command=["python", "-m", "probe_module"])
        builder.executors[f"{mode}_executor"]["container"]["env"] = [{"name": "COLOUR", "value": mode}]
    return builder


def test_forked_steps_have_their_own_environment_log_and_end(
    emulate: Emulator, module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "the operator's")
    outcome = emulate(job("good", "raise", "exit", "kill").job(), options=FAST)
    assert outcome.states == {"good": "done", "raise": "failed", "exit": "failed", "kill": "failed"}
    assert outcome.said("good") == ["__main__ True good True", "None"]
    errors = dict(line.split(": ", 1) for line in outcome.error.splitlines())
    assert errors["raise"].startswith("ValueError: on purpose; the whole traceback is in ")
    assert "ended with exit code 7" in errors["exit"]
    assert "was killed by SIGKILL" in errors["kill"]
    assert "no_such_module" in (outcome.folder / "logs/preloaded.log").read_text()


def test_other_commands_start_fresh(emulate: Emulator, module: Path) -> None:
    builder = job("good")
    builder.step("plain", "print('plain', 'probe_helper' in sys.modules)")
    outcome = emulate(builder.job(), options=FAST)
    assert outcome.said("plain") == ["plain False"]


def test_what_is_loaded_follows_from_the_specification() -> None:
    from hilir.pipeline.spec.specification import parse

    builder = Builder()
    builder.step("train", "", parameters={"run_fn": "shop.model.run_fn"}, command=["python", "-m", "tfx.run"])
    builder.executors["train_executor"]["container"]["args"] = ["--executor_class_path", "shop.steps.Executor"]
    assert emulation.find_modules(parse(builder.job())) == ["tfx.run", "shop.steps", "shop.model"]
