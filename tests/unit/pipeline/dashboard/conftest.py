from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hilir.pipeline.dashboard.actions import Targets
from hilir.pipeline.dashboard.security import Guard
from hilir.pipeline.dashboard.server import make_server
from hilir.pipeline.dashboard.workplace import Workplace
from hilir.pipeline.report.document import Document, write_document
from hilir.pipeline.report.page import write_report

TOKEN = "0123456789abcdef"


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    """Folders that do not exist yet."""
    return Workplace((tmp_path / "runs",), (tmp_path / "pipelines",), (tmp_path / "models",), (tmp_path / "watch",))


@pytest.fixture
def add_run(workplace: Workplace) -> Callable[..., Path]:
    """Makes the folder of a run that has ended."""

    def add(name: str, **summary: Any) -> Path:
        folder = workplace.runs[0] / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text("model: {}\n")
        (folder / "log.txt").write_text("first line\nlast <line>\x1b[31m\n")
        values = {"run_id": name, "status": "succeeded", "blessed": True, "reasons": [], "version": 1, "seconds": 12.5}
        (folder / "summary.json").write_text(json.dumps({**values, "metrics": {"auc": 0.91}, **summary}))
        document = Document(
            name, name.rpartition("-2026")[0], status="succeeded", evaluation={"metrics": {"overall": {"auc": 0.91}}}
        )
        write_document(document, folder)
        write_report(document, folder)
        return folder

    return add


@pytest.fixture
def add_version(workplace: Workplace) -> Callable[..., Path]:
    """Makes a version with a manifest."""

    def add(model: str, number: int, **manifest: Any) -> Path:
        folder = workplace.roots[0] / model / str(number)
        folder.mkdir(parents=True)
        values = {
            "created": "2026-11-26T01:02:03+00:00", "run_id": f"{model}-20261126-010203",
            "files": {"saved_model.pb": {"bytes": 1234, "sha256": "0"}}, "metrics": {"overall": {"auc": 0.9}},
            "exports": {"tflite": {"variants": ["int8"]}},
        }  # fmt: skip
        (folder / "manifest.json").write_text(json.dumps({**values, **manifest}))
        return folder

    return add


@pytest.fixture
def url(workplace: Workplace) -> Iterator[str]:
    """A dashboard whose changes need a token."""
    with make_server(("127.0.0.1", 0), workplace, Guard(TOKEN), Targets(timeout=5.0)) as server:
        yield server.url
