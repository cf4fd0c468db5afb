"""What is refused before anything starts: faulty specifications, features that are not emulated, wrong parameters."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hilir.pipeline.emulator.buckets import Mount, map_uris, read_mappings
from hilir.pipeline.emulator.preparation import make_plan, notes
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.spec.cost import find_bound
from hilir.pipeline.spec.executors import LAUNCHER
from hilir.pipeline.spec.specification import parse, read
from hilir.pipeline.vertex.client.fixed_data import find_fixed_data
from hilir.pipeline.vertex.client.job_request import make_request, show_request
from hilir.pipeline.vertex.client.schedules import make_schedule
from hilir.pipeline.vertex.client.source import load_source
from tests.golden.render import FOLDER
from tests.unit.pipeline.emulator.specs import Builder, Json, output


def small() -> Builder:
    builder = Builder()
    builder.parameter("rows", "NUMBER_INTEGER", 3)
    builder.step("make", "", makes={"model": "tfx.Model"}, returns={"n": "NUMBER_INTEGER"})
    builder.step("use", "", takes={"model": ("make", "model")}, parameters={"n": output("make", "n")})
    return builder


def faults_of(job: Json, *parameters: str) -> str:
    with pytest.raises(ConfigError) as refusal:
        make_plan(job, parameters, (), Path("/tmp/never"))
    return str(refusal.value)


def test_small_is_accepted() -> None:
    plan = make_plan(small().job(), ["rows=5"], (), Path("/tmp/never"))
    assert plan.parameter_values == {"rows": 5}
    assert plan.output_directory == "/tmp/never/gs/test-bucket/root"


def change(path: str, value: Any) -> Callable[[Json], None]:
    """Returns a change of a job: the value at a path (`/` between keys) is set, or removed by `...`."""

    def apply(job: Json) -> None:
        head, up, name = path.partition("/..")
        *parents, last = [*head.split("/"), f"..{name}"] if up else path.split("/")
        node: Any = job
        for part in parents:
            node = node[part]
        if value is ...:
            del node[last]
        else:
            node[last] = value

    return apply


SPEC, TASKS = "pipelineSpec", "pipelineSpec/root/dag/tasks"
EXECUTORS, COMPONENTS = "pipelineSpec/deploymentSpec/executors", "pipelineSpec/components"

FAULTY = [
    (f"{SPEC}/root/dag/task", {}, 'no field named "task"'),
    (f"{SPEC}/schemaVersion", "2.0.0", "only 2.1.0 is read"),
    (f"{TASKS}/use/dependentTasks", "make", "dependentTasks"),
    (f"{TASKS}/use/dependentTasks", ["nobody"], "waits for unknown task 'nobody'; compile again"),
    (f"{TASKS}/make/dependentTasks", ["use"], "in a circle: make → use → make|in a circle: use → make → use"),
    (f"{TASKS}/use/inputs/artifacts/model/taskOutputArtifact/producerTask", "ghost", "unknown task 'ghost'"),
    (f"{TASKS}/use/inputs/artifacts/model/taskOutputArtifact/outputArtifactKey", "x", "'make' has no output 'x'"),
    (f"{TASKS}/use/inputs/parameters/n/taskOutputParameter/producerTask", "make_task", "unknown task 'make_task'"),
    (f"{TASKS}/use/inputs/parameters/n/taskOutputParameter/outputParameterKey", "m", "has no output parameter 'm'"),
    (f"{TASKS}/use/inputs/parameters/n", {"componentInputParameter": "lines"}, "unknown parameter 'lines'"),
    (f"{TASKS}/use/inputs/parameters/n", {}, "parameter n: has no source"),
    (f"{TASKS}/use/inputs/parameters/n", ..., "the parameter 'n' has no value"),
    (f"{TASKS}/use/inputs/artifacts/model", ..., "the input artifact 'model' has no source; connect it"),
    (f"{TASKS}/use/componentRef/name", "nothing", "references unknown component 'nothing'; compile again"),
    (f"{EXECUTORS}/use_executor", ..., "references unknown executor 'use_executor'; compile again"),
    (f"{EXECUTORS}/use_executor", {}, "executor use_executor: is empty"),
    (f"{COMPONENTS}/use/executorLabel", ..., "component use: has neither a dag nor an executor"),
    (f"{COMPONENTS}/make/outputDefinitions/artifacts/model/artifactType/instanceSchema", "title: tfx.Modell\n",
     "TFX has no artifact type 'tfx.Modell'"),
    (f"{COMPONENTS}/make/outputDefinitions/artifacts/model/artifactType/instanceSchema", "]", "the type '' is not"),
    (f"{COMPONENTS}/make/outputDefinitions/artifacts/model/artifactType/instanceSchema", "title: Blessing\n",
     "the type 'Blessing' is not of the form"),
    (f"{TASKS}", {}, "has no task"),
    (f"{TASKS}/use/retryPolicy", {"maxRetryCount": -1}, "task use: retryPolicy.maxRetryCount is -1; give 0 or more"),
    (f"{TASKS}/use/retryPolicy", {"backoffDuration": "-5s"}, "retryPolicy.backoffDuration is -5s; give no less than 0"),
    (f"{TASKS}/use/retryPolicy", {"backoffMaxDuration": "-5s"}, "retryPolicy.backoffMaxDuration is -5s"),
    (f"{TASKS}/use/retryPolicy", {"backoffFactor": -2}, "retryPolicy.backoffFactor is -2; give a number"),
    (f"{TASKS}/use/retryPolicy", {"backoffFactor": "NaN"}, "retryPolicy.backoffFactor is nan; give a number"),
    (f"{SPEC}/pipelineInfo/name", "../../../../../tmp/evil", "the pipeline's name '../../../../../tmp/evil': Vertex"),
    (f"{SPEC}/pipelineInfo/name", "Bad Name!", "the pipeline's name 'Bad Name!': Vertex AI takes a-z"),
    (f"{TASKS}/../../x", {"componentRef": {"name": "make"}}, "step '../../x': Vertex AI takes letters"),
    (f"{COMPONENTS}/make/outputDefinitions/artifacts/../x", {"artifactType": {"instanceSchema": "title: tfx.Model"}},
     "component make, output '../x': Vertex AI takes letters, digits, '_' and '-'; rename it"),
    (f"{COMPONENTS}/make/outputDefinitions/parameters/executor_output.json", {"parameterType": "STRING"},
     "component make, output 'executor_output.json': "),
    ("runtimeConfig/gcsOutputDirectory", "gs://test-bucket/../../evil", "leads out of its bucket's folder; give a"),
    ("runtimeConfig/inputArtifacts", {}, "unknown field inputArtifacts"),
    ("runtimeConfig/parameterValues", True, "is not names and values"),
    ("runtimeConfig/parameterValues", {"rows": "many"}, "rows: is 'many', which is not a NUMBER_INTEGER"),
    ("runtimeConfig/parameterValues", {"lines": 1}, "is not a parameter of this pipeline; its parameters are rows"),
]  # fmt: skip
UNSUPPORTED = [
    (f"{TASKS}/use/parameterIterator", {"itemInput": "n", "items": {"raw": "[1]"}}, "loops .parameter_iterator."),
    (f"{TASKS}/use/cachingOptions", {"cacheKey": "k"}, "a cacheKey of its own is not emulated"),
    (f"{TASKS}/use/triggerPolicy", {"condition": "inputs.size() > 1"}, "not emulated is 'inputs.size'"),
    (f"{TASKS}/use/triggerPolicy", {"condition": "1 ? 2 : 3"}, "not emulated is '"),
    (f"{TASKS}/use/inputs/parameters/n", {"runtimeValue": {"constantValue": {"intValue": 1}}}, "is of schema 2.0"),
    (f"{TASKS}/use/inputs/parameters/n", {"runtimeValue": {"constant": "{{$.secret}}"}}, "{{\\$.secret}} is not"),
    (f"{EXECUTORS}/use_executor/container/command", [], "the entry point of an image is not known"),
    (f"{EXECUTORS}/use_executor/container/args", ["{{$.inputs.uri}}"], "the placeholder {{\\$.inputs.uri}}"),
    (f"{EXECUTORS}/use_executor/container/args", ["--runner=DataflowRunner"], "Dataflow is not emulated"),
    (f"{EXECUTORS}/use_executor/container/args", ["tfx.extensions.a.Executor"], "calls a service of the cloud"),
    (f"{EXECUTORS}/use_executor", {"resolver": {"outputArtifactQueries": {"a": {"filter": "uri=\"x\""}}}},
     "no schema_title in the filter"),
    (f"{EXECUTORS}/use_executor", {"resolver": {"outputArtifactQueries": {"a": {"filter":
     'schema_title="tfx.Model" AND create_time>3'}}}}, "not emulated is 'create_time>3'"),
    (f"{EXECUTORS}/use_executor", {"resolver": {"outputArtifactQueries": {"a": {"filter":
     'schema_title="tfx.Model"', "limit": 2}}}}, "a limit of 2 artifacts is not emulated"),
    (f"{EXECUTORS}/use_executor", {"importer": {"downloadToWorkspace": True}}, "downloadToWorkspace is not emulated"),
    (f"{COMPONENTS}/use/inputDefinitions/artifacts/model/isArtifactList", True, "lists of artifacts"),
    (f"{COMPONENTS}/use/inputDefinitions/parameters/n", {"type": "INT"}, "its parameterType is not emulated"),
    ("runtimeConfig/failurePolicy", "SOMETIMES", "failurePolicy 'SOMETIMES' is not emulated"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "message"), FAULTY + UNSUPPORTED)
def test_is_refused_by_name(path: str, value: Any, message: str) -> None:
    job = small().job()
    change(path, value)(job)
    import re

    assert re.search(message, faults_of(job)), faults_of(job)


def test_components_that_contain_themselves_are_refused() -> None:
    builder = small()
    task = {"taskInfo": {"name": "inner"}, "componentRef": {"name": "loop"}}
    builder.components["loop"] = {"dag": {"tasks": {"inner": task}}}
    builder.tasks["inner"] = task
    assert "the components contain each other: loop → loop" in faults_of(builder.job())


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("rows", "--parameter rows: is not of the form name=value"),
        ("rowes=4", "--parameter rowes: is not a parameter of this pipeline; did you mean 'rows'?"),
        ("rows=many", "--parameter rows: the value is 'many', which is not a NUMBER_INTEGER; give another value"),
        (
            "rows=99999999999999999999",
            "--parameter rows: the value is '99999999999999999999', with a number that Vertex AI cannot keep; "
            "give another value",
        ),
    ],
)
def test_wrong_parameters_are_refused(setting: str, message: str) -> None:
    assert faults_of(small().job(), setting) == message


def test_a_parameter_without_value_is_refused() -> None:
    job = small().job()
    job["runtimeConfig"]["parameterValues"] = {}
    assert faults_of(job) == "the parameter 'rows' has no value; give one with --parameter rows=…"


def test_buckets_are_mapped_by_the_longest_prefix() -> None:
    job = {"a": "gs://b/x/y", "b": ["--in=gs://b/data/z", '{"p": "gs://b/datas"}'], "image": "gs://b/no", "c": "gs://b"}
    mounts = [Mount("gs://b", "/all"), Mount("gs://b/data", "/some")]
    assert map_uris(job, mounts) == {
        "a": "/all/x/y", "b": ["--in=/some/z", '{"p": "/all/datas"}'], "image": "gs://b/no", "c": "/all",
    }  # fmt: skip


def test_a_bucket_without_a_folder_is_refused() -> None:
    job = small().job()
    change(f"{EXECUTORS}/use_executor/container/args", ["gs://other-bucket/data"])(job)
    assert faults_of(job) == "gs://other-bucket: has no folder here; name one with --map gs://other-bucket=FOLDER"


@pytest.mark.parametrize("setting", ["gs://b", "b=c", "gs://=c", "gs://bucket="])
def test_wrong_mappings_are_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match="is not of the form gs://BUCKET=FOLDER"):
        read_mappings([setting])


def test_accelerators_are_mentioned() -> None:
    job = small().job()
    accelerator = {"accelerator": {"type": "NVIDIA_TESLA_T4", "count": "2"}}
    change(f"{EXECUTORS}/use_executor/container/resources", accelerator)(job)
    assert notes(parse(job)) == ["use asks for 2 NVIDIA_TESLA_T4; here it gets what this machine has"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "\x00", "3", '{"pipelineSpec": 3}', '{"pipelineSpec": {}}', "[" * 9999]
)
def test_files_that_are_no_pipeline_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "job.json"
    path.write_text(text)
    with pytest.raises(ConfigError):
        make_plan(read(path), (), (), tmp_path)


def test_yaml_and_bare_specifications_are_read(tmp_path: Path) -> None:
    import yaml

    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(small().job()["pipelineSpec"]))
    plan = make_plan(read(path), ["rows=1"], (), tmp_path)
    assert plan.output_directory == str(tmp_path / "root")


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from _paths(inner, (*path, key))


def submit(job: Json, folder: Path) -> None:
    """Does what `hilir submit SPEC --dry-run` and `hilir schedule create` do."""
    path = folder / "job.json"
    path.write_text(json.dumps(job))
    source = load_source(str(path), (), ())
    request = make_request(source, (), "my-project", cached=False)
    show_request(make_schedule("nightly", "0 3 * * *", request, {}))
    find_fixed_data(source.job, dict(request.pipeline_job.runtime_config.parameter_values))
    assert find_bound(parse(source.job)).lines


def with_machines() -> Json:
    """Returns a job with worker pools in both forms, Dataflow and retries, which a bound of the machines reads."""
    builder = small()
    container = {"imageUri": "local:1", "command": ["python"]}
    pools = [{"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": 1, "containerSpec": container}]
    spec = {"workerPoolSpecs": pools, "scheduling": {"timeout": "7200s"}}
    for name in ("launch", "train", "flow"):
        builder.step(name, "", task={"retryPolicy": {"maxRetryCount": 2, "backoffDuration": "1s", "backoffFactor": 2}})
    payload = ["--payload", json.dumps({"jobSpec": spec})]
    builder.executors["launch_executor"]["container"] |= {"command": ["python3", "-m", LAUNCHER], "args": payload}
    builder.executors["train_executor"] = {"customJob": {"customJob": {"displayName": "t", "jobSpec": spec}}}
    arguments = ["--runner=DataflowRunner", "--max_num_workers=10"]
    builder.executors["flow_executor"]["container"]["args"] = arguments
    identity = {
        "serviceAccount": "a@b.iam.gserviceaccount.com",
        "network": "projects/1/global/networks/n",
        "encryptionSpec": {"kmsKeyName": "projects/p/locations/us-east1/keyRings/r/cryptoKeys/k"},
    }
    return builder.job() | identity | {"labels": {"team": "blue", "hilir-region": "us-east1"}}


@pytest.mark.parametrize(("name", "seed"), [("digits", 0), ("digits", 1), ("machines", 0), ("machines", 1)])
def test_a_mangled_specification_never_ends_in_a_crash(name: str, seed: int, tmp_path: Path) -> None:
    """Every way in which a compiled pipeline can be damaged is a message, or harmless."""
    original = with_machines() if name == "machines" else json.loads((FOLDER / f"{name}.json").read_text())
    submit(original, tmp_path)
    paths, random_ = list(_paths(original)), random.Random(seed)
    values: list[Any] = [..., None, "", "x", -1, 1e300, [], {}, {"a": 1}, ["b"], True, "{{$}}", "gs://c/d"]
    refused, not_sent = 0, 0
    for _ in range(150):
        job = copy.deepcopy(original)
        *parents, last = random_.choice(paths)
        node: Any = job
        for part in parents:
            node = node[part]
        value = random_.choice(values)
        if value is ...:
            del node[last]
        else:
            node[last] = value
        try:
            make_plan(job, (), (), tmp_path)
        except ConfigError:
            refused += 1
        try:
            submit(job, tmp_path)
        except ConfigError:
            not_sent += 1
    assert refused > 50
    assert not_sent > 50
