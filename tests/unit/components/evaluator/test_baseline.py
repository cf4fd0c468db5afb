"""The baseline is the model of the last push that is not the candidate, by a real metadata store."""

from __future__ import annotations

import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.types import standard_artifacts

from hilir.components.evaluator.baseline import LatestPushedModelStrategy


class Past:
    """A store with models, and pushes of some of them."""

    def __init__(self) -> None:
        config = mlmd.ConnectionConfig()
        config.fake_database.SetInParent()
        self.store = MetadataStore(config)
        self._model = self.store.put_artifact_type(mlmd.ArtifactType(name="Model"))
        self._pushed = self.store.put_artifact_type(mlmd.ArtifactType(name="PushedModel"))
        self._pusher = self.store.put_execution_type(mlmd.ExecutionType(name="Pusher"))
        self.models: list[standard_artifacts.Model] = []
        self.pushes: list[standard_artifacts.PushedModel] = []

    def train(self) -> standard_artifacts.Model:
        artifact = standard_artifacts.Model()
        (artifact.id,) = self.store.put_artifacts([mlmd.Artifact(type_id=self._model, uri="m")])
        self.models.append(artifact)
        return artifact

    def push(self, model: standard_artifacts.Model, done: bool = True) -> None:
        artifact = standard_artifacts.PushedModel()
        artifact.set_int_custom_property("pushed", int(done))
        execution = mlmd.Execution(type_id=self._pusher)
        made = mlmd.Artifact(type_id=self._pushed, uri="p")
        _, (artifact.id, *_), _ = self.store.put_execution(
            execution, [(made, event(mlmd.Event.OUTPUT, "pushed_model"))], []
        )
        (found,) = self.store.get_events_by_artifact_ids([artifact.id])
        self.store.put_events([
            mlmd.Event(
                artifact_id=model.id, execution_id=found.execution_id, type=mlmd.Event.INPUT,
                path=event(mlmd.Event.INPUT, "model").path,
            )
        ])  # fmt: skip
        self.pushes.append(artifact)

    def find(self, candidate: standard_artifacts.Model | None) -> standard_artifacts.Model | None:
        inputs = {"model": list(self.models), "pushed_model": list(self.pushes)}
        if candidate is not None:
            inputs["candidate"] = [candidate]
        resolved = LatestPushedModelStrategy().resolve_artifacts(self.store, inputs)
        assert {name: found for name, found in resolved.items() if name != "model"} == {
            name: [] for name in inputs if name != "model"
        }
        return next(iter(resolved["model"]), None)


def event(kind: int, name: str) -> mlmd.Event:
    found = mlmd.Event(type=kind)
    found.path.steps.add().key = name
    found.path.steps.add().index = 0
    return found


@pytest.fixture
def past():
    return Past()


def test_a_first_run_has_none(past):
    assert past.find(past.train()) is None


def test_an_unchanged_rerun_is_not_compared_with_itself(past):
    only = past.train()
    past.push(only)
    assert past.find(only) is None


def test_a_model_that_was_blessed_and_not_pushed_is_none(past):
    pushed, blessed, refused = past.train(), past.train(), past.train()
    past.push(pushed)
    past.push(refused, done=False)
    assert past.find(past.train()) is pushed
    assert past.find(blessed) is pushed


def test_the_last_push_counts_not_the_last_model(past):
    first, second = past.train(), past.train()
    past.push(second)
    past.push(first)
    assert past.find(past.train()) is first
    assert past.find(first) is second


def test_a_warm_start_has_no_candidate_yet(past):
    first, second = past.train(), past.train()
    past.push(first)
    past.push(second)
    assert past.find(None) is second
