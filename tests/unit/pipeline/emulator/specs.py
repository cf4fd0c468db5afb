"""Small specifications whose steps are plain Python programs, so that no test waits for TFX."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

# The first argument of each program is ExecutorInput.
HEAD = """
import json, os, sys, time
given = json.loads(sys.argv[1])
inputs, outputs = given["inputs"], given["outputs"]
def parameter(name): return inputs["parameterValues"][name]
def artifact(name): return inputs["artifacts"][name]["artifacts"][0]
def target(name): return outputs["artifacts"][name]["artifacts"][0]
def write(name, text):
    os.makedirs(target(name)["uri"], exist_ok=True)
    open(os.path.join(target(name)["uri"], "text"), "w").write(text)
def read(name): return open(os.path.join(artifact(name)["uri"], "text")).read()
def finish(parameters={}, metadata={}):
    made = {key: {"artifacts": [{"uri": target(key)["uri"], "metadata": values}]} for key, values in metadata.items()}
    open(outputs["outputFile"], "w").write(json.dumps({"parameterValues": parameters, "artifacts": made}))
"""


def artifact_type(title: str = "tfx.Model") -> Json:
    """Returns a type as TFX's compiler writes it."""
    return {"artifactType": {"instanceSchema": f"title: {title}\ntype: object\n"}}


class Builder:
    """Puts a pipeline job together step by step."""

    def __init__(self, name: str = "small", root: str = "gs://test-bucket/root") -> None:
        self.components: Json = {}
        self.executors: Json = {}
        self.tasks: Json = {}
        self.parameters: Json = {}
        self.name, self.root, self.values = name, root, {}

    def parameter(self, name: str, kind: str, value: Any = None) -> None:
        """Declares a parameter of the pipeline."""
        self.parameters[name] = {"parameterType": kind}
        if value is not None:
            self.values[name] = value

    def step(
        self,
        name: str,
        program: str,
        *,
        takes: Mapping[str, tuple[str, str]] | None = None,
        makes: Mapping[str, str] | None = None,
        parameters: Mapping[str, Any] | None = None,
        returns: Mapping[str, str] | None = None,
        after: Sequence[str] = (),
        task: Json | None = None,
        command: Sequence[str] | None = None,
    ) -> Json:
        """Adds a container step; `takes` maps inputs to (task, output), `makes` outputs to types.

        A parameter is a constant, or one of the forms of TaskInputsSpec as a mapping.
        """
        sources = {key: _source(value) for key, value in (parameters or {}).items()}
        self.executors[f"{name}_executor"] = {
            "container": {
                "image": "local:1",
                "command": list(command or ["python", "-c", HEAD + program]),
                "args": ["{{$}}"],
            }
        }
        return self.task(name, sources, takes or {}, makes or {}, returns or {}, after, task or {})

    def task(
        self,
        name: str,
        parameters: Json,
        takes: Mapping[str, tuple[str, str]],
        makes: Mapping[str, str],
        returns: Mapping[str, str],
        after: Sequence[str],
        extra: Json,
    ) -> Json:
        """Adds the component and the task of an executor that is there."""
        self.components[name] = {
            "executorLabel": f"{name}_executor",
            "inputDefinitions": {
                "artifacts": {key: artifact_type(self._made_type(source)) for key, source in takes.items()},
                "parameters": {key: {"parameterType": _type(value)} for key, value in parameters.items()},
            },
            "outputDefinitions": {
                "artifacts": {key: artifact_type(title) for key, title in makes.items()},
                "parameters": {key: {"parameterType": kind} for key, kind in returns.items()},
            },
        }
        self.tasks[name] = {
            "taskInfo": {"name": name},
            "componentRef": {"name": name},
            "inputs": {
                "parameters": parameters,
                "artifacts": {
                    key: {"taskOutputArtifact": {"producerTask": task, "outputArtifactKey": output}}
                    for key, (task, output) in takes.items()
                },
            },
            "dependentTasks": list(after),
            **extra,
        }
        return self.tasks[name]

    def _made_type(self, source: tuple[str, str]) -> str:
        outputs = self.components.get(source[0], {}).get("outputDefinitions", {}).get("artifacts", {})
        found = outputs.get(source[1])
        return found["artifactType"]["instanceSchema"].split()[1] if found else "tfx.Model"

    def resolver(self, name: str, queries: Mapping[str, tuple[str, str]], takes: Mapping[str, tuple[str, str]]) -> None:
        """Adds a resolver; `queries` maps outputs to (type, filter)."""
        self.executors[f"{name}_executor"] = {
            "resolver": {"outputArtifactQueries": {key: {"filter": text} for key, (_, text) in queries.items()}}
        }
        self.task(name, {}, takes, {key: title for key, (title, _) in queries.items()}, {}, (), {})

    def importer(self, name: str, uri: str, *, reimport: bool = False, metadata: Json | None = None) -> None:
        """Adds an importer of a model."""
        self.executors[f"{name}_executor"] = {
            "importer": {
                "artifactUri": {"constant": uri},
                "typeSchema": artifact_type()["artifactType"],
                "reimport": reimport,
                "metadata": metadata or {},
            }
        }
        self.task(name, {}, {}, {"result": "tfx.Model"}, {}, (), {})

    def job(self) -> Json:
        """Returns the pipeline job."""
        return {
            "displayName": self.name,
            "runtimeConfig": {"gcsOutputDirectory": self.root, "parameterValues": self.values},
            "pipelineSpec": {
                "pipelineInfo": {"name": self.name},
                "schemaVersion": "2.1.0",
                "sdkVersion": "tfx-1.21.0",
                "components": self.components,
                "deploymentSpec": {"executors": self.executors},
                "root": {"dag": {"tasks": self.tasks}, "inputDefinitions": {"parameters": self.parameters}},
            },
        }


def output(task: str, key: str) -> Json:
    """Returns the source of a parameter that another task returns."""
    return {"taskOutputParameter": {"producerTask": task, "outputParameterKey": key}}


def _source(value: Any) -> Json:
    return value if isinstance(value, dict) else {"runtimeValue": {"constant": value}}


def _type(source: Json) -> str:
    constant = source.get("runtimeValue", {}).get("constant", "")
    if isinstance(constant, bool):
        return "BOOLEAN"
    if isinstance(constant, (int, float)):
        return "NUMBER_INTEGER" if isinstance(constant, int) else "NUMBER_DOUBLE"
    return "STRING"


def dump(job: Json) -> str:
    """Returns the job as `hilir compile` writes it."""
    return json.dumps(job)
