"""Drift on Vertex AI starts the pipeline: the monitor's channel, and the function behind its topic."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import requests

from tests.conftest import ROOT
from tests.contract.vertex.store import PROJECT, REGION

SOURCE = ROOT / "deploy/vertex/retrain/main.py"


@pytest.fixture
def function(vertex, spec, monkeypatch, tmp_path):
    """The function as it is deployed: beside the compiled pipeline; only Google's decorator is not there."""
    framework = ModuleType("functions_framework")
    framework.cloud_event = lambda handler: handler
    monkeypatch.setitem(sys.modules, "functions_framework", framework)
    folder = tmp_path / "function"
    folder.mkdir()
    (folder / "main.py").write_text(SOURCE.read_text())
    (folder / "pipeline.json").write_text(Path(spec()).read_text())
    found = importlib.util.spec_from_file_location("retrain_function", folder / "main.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    values = {"PROJECT": PROJECT, "REGION": REGION, "VERTEX_ENDPOINT": vertex.address, "SERVICE_ACCOUNT": ""}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return module


def jobs(vertex):
    return sorted(name.rpartition("/")[2] for name in vertex.store.all("pipelineJobs"))


def test_a_message_starts_the_pipeline_once(function, vertex) -> None:
    assert function.submit("11", requests.Session()) == "drift-11"
    assert function.submit("11", requests.Session()) == "drift-11"
    assert function.submit("12", requests.Session()) == "drift-12"
    assert jobs(vertex) == ["drift-11", "drift-12"]


def test_the_event_of_pub_sub(function, vertex, monkeypatch) -> None:
    monkeypatch.setattr(function.google.auth, "default", lambda scopes: (None, "project"))
    monkeypatch.setattr(function, "AuthorizedSession", lambda credentials: requests.Session())
    function.retrain(SimpleNamespace(data={"message": {"messageId": "7", "data": ""}}))
    assert jobs(vertex) == ["drift-7"]


def test_a_refusal_makes_pub_sub_deliver_again(function, vertex, tmp_path) -> None:
    (tmp_path / "function/pipeline.json").write_text("{}")
    with pytest.raises(RuntimeError, match="drift-3 was not started: 400"):
        function.submit("3", requests.Session())
    assert jobs(vertex) == []
