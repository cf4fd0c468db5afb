"""What new data is compared with is the push before it, by a real metadata store."""

from __future__ import annotations

import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.types import Artifact, standard_artifacts

from hilir.components.data_gate.last_push import LastPushStrategy, find_file, name_version


class Past:
    """A store with examples, their statistics, and pushes of what learned from them."""

    def __init__(self) -> None:
        config = mlmd.ConnectionConfig()
        config.fake_database.SetInParent()
        self.store = MetadataStore(config)
        self.pushes: list[Artifact] = []
        self.statistics: list[Artifact] = []

    def _make(self, artifact: Artifact, key: str, *inputs: tuple[str, Artifact]) -> Artifact:
        kind = self.store.put_artifact_type(mlmd.ArtifactType(name=artifact.TYPE_NAME))
        node = self.store.put_execution_type(mlmd.ExecutionType(name=f"makes {key}"))
        given = [
            (mlmd.Artifact(id=each.id, type_id=each.type_id), event(mlmd.Event.INPUT, name)) for name, each in inputs
        ]
        made = (mlmd.Artifact(type_id=kind, uri=key), event(mlmd.Event.OUTPUT, key))
        _, numbers, _ = self.store.put_execution(mlmd.Execution(type_id=node), [*given, made], [])
        artifact.id, artifact.type_id = numbers[-1], kind
        return artifact

    def read(self) -> Artifact:
        examples = self._make(standard_artifacts.Examples(), "examples")
        self.statistics.append(self._make(standard_artifacts.ExampleStatistics(), "statistics", ("examples", examples)))
        return examples

    def push(self, examples: Artifact, done: bool = True) -> Artifact:
        artifact = standard_artifacts.PushedModel()
        artifact.set_int_custom_property("pushed", int(done))
        self.pushes.append(self._make(artifact, "pushed_model", ("examples", examples)))
        return self.pushes[-1]

    def find(self, examples: Artifact) -> tuple[list[Artifact], list[Artifact]]:
        inputs = {"pushed_model": self.pushes, "statistics": self.statistics, "examples": [examples]}
        found = LastPushStrategy().resolve_artifacts(self.store, inputs)
        assert found["examples"] == []
        return found["pushed_model"], found["statistics"]


def event(kind: int, name: str) -> mlmd.Event:
    found = mlmd.Event(type=kind)
    found.path.steps.add().key = name
    return found


@pytest.fixture
def past():
    return Past()


def test_first_data_has_none(past):
    assert past.find(past.read()) == ([], [])


def test_an_unchanged_rerun_finds_what_the_run_found(past):
    first = past.read()
    past.push(first)
    assert past.find(first) == ([], [])
    second = past.read()
    before = past.find(second)
    assert before == ([past.pushes[0]], [past.statistics[0]])
    past.push(second)
    past.push(second)
    assert past.find(second) == before


def test_what_was_not_pushed_is_passed_over(past):
    first, second = past.read(), past.read()
    past.push(first)
    past.push(second, done=False)
    assert past.find(past.read()) == ([past.pushes[0]], [past.statistics[0]])


def test_files_of_the_version_are_found(tmp_path):
    push = standard_artifacts.PushedModel()
    push.set_string_custom_property("pushed_destination", str(tmp_path / "3"))
    push.set_string_custom_property("pushed_version", "3")
    assert find_file(push, "schema.pbtxt") is None
    (tmp_path / "3" / "assets.extra").mkdir(parents=True)
    (tmp_path / "3" / "assets.extra" / "schema.pbtxt").touch()
    assert find_file(push, "schema.pbtxt") == f"{tmp_path}/3/assets.extra/schema.pbtxt"
    assert find_file(None, "schema.pbtxt") is None
    assert name_version(push) == "version 3"
