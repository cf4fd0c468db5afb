"""A project with a real metadata store and real folders, whose runs nobody had to wait for."""

import json
from datetime import timedelta
from pathlib import Path

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd

from hilir.pipeline.clean.clean import clean
from hilir.pipeline.clean.retention import Rule
from hilir.pipeline.config import load
from hilir.pipeline.run.metadata_store import RunStore, connection

YAML = """
model: {name: mine, package: json}
data: {path: data}
evaluate: {metrics: [{name: auc, class: AUC}], thresholds: [{metric: auc, min: 0.5}]}
"""


class Project:
    """A project whose runs each made a model from the same examples, and pushed it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "mine.yaml").write_text(YAML)
        self.root = folder / "out/pipelines/mine"
        self.root.mkdir(parents=True)
        self.store = metadata_store.MetadataStore(connection(str(self.root)))
        self.types = {
            name: self.store.put_artifact_type(mlmd.ArtifactType(name=name)) for name in ("Model", "PushedModel")
        }
        self.execution_type = self.store.put_execution_type(mlmd.ExecutionType(name="step"))
        self.run_type = self.store.put_context_type(mlmd.ContextType(name="pipeline_run"))
        self.node_type = self.store.put_context_type(mlmd.ContextType(name="node"))
        self.examples = self.artifact("ExampleGen/examples/1", "Model")
        self.models: list[int] = []

    def artifact(self, place: str, kind: str, **properties: str) -> int:
        folder = self.root / place
        folder.mkdir(parents=True)
        (folder / "data").write_text("0123456789")
        artifact = mlmd.Artifact(type_id=self.types[kind], uri=str(folder), state=mlmd.Artifact.LIVE)
        for name, value in properties.items():
            artifact.custom_properties[name].string_value = value
        return self.store.put_artifacts([artifact])[0]

    def execute(self, run: mlmd.Context, node: str, inputs: dict[str, int], outputs: dict[str, int]) -> None:
        context = self.store.get_context_by_type_and_name("node", f"mine.{node}")
        node_context = context or mlmd.Context(type_id=self.node_type, name=f"mine.{node}")
        execution = mlmd.Execution(type_id=self.execution_type, last_known_state=mlmd.Execution.COMPLETE)
        pairs = []
        for kind, ends in ((mlmd.Event.INPUT, inputs), (mlmd.Event.OUTPUT, outputs)):
            for name, number in ends.items():
                event = mlmd.Event(type=kind, artifact_id=number)
                event.path.steps.add(key=name)
                pairs.append((self.store.get_artifacts_by_id([number])[0], event))
        self.store.put_execution(execution, pairs, [run, node_context], reuse_context_if_already_exist=True)

    def run(self, *, baseline: int | None = None) -> str:
        """Adds a run that took the examples from the cache; returns its id."""
        number = len(self.models) + 1
        name = f"mine-20260101-00000{number}"
        run = mlmd.Context(type_id=self.run_type, name=name)
        run.id = self.store.put_contexts([run])[0]
        model = self.artifact(f"Trainer/model/{10 * number}", "Model")
        pushed = self.artifact(f"Pusher/pushed_model/{10 * number}", "PushedModel", pushed_version=str(number))
        self.execute(run, "ExampleGen", {}, {"examples": self.examples})
        self.execute(run, "Trainer", {"examples": self.examples}, {"model": model})
        if baseline is not None:
            self.execute(run, "Evaluator", {"baseline_model": self.models[baseline - 1]}, {})
        self.execute(run, "Pusher", {"model": model}, {"pushed_model": pushed})
        self.models.append(model)
        folder = self.folder / "runs" / name
        folder.mkdir(parents=True)
        (folder / "summary.json").write_text("{}")
        version = self.folder / "out/models/mine" / str(number)
        (version / "assets").mkdir(parents=True)
        (version / "manifest.json").write_text(json.dumps({"run_id": name, "files": {}}))
        exports = self.folder / f"out/models/mine/exports/{number}/tflite"
        exports.mkdir(parents=True)
        return name

    def clean(self, keep: int, *, days: int | None = None, dry_run: bool = False):
        age = None if days is None else timedelta(days=days)
        return clean(load("mine.yaml").config, Rule(keep, age), dry_run=dry_run)

    @property
    def versions(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "out/models/mine").glob("[0-9]*"))

    @property
    def folders(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.glob("[!.]*/*/*"))

    def list_runs(self) -> list[str]:
        return [run.id for run in RunStore(connection(str(self.root))).list_runs()]
