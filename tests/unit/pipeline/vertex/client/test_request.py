"""What a submission asks for: its source, its spans, its schedule."""

import json
import re
from pathlib import Path

import pytest

from hilir.pipeline.cli.main import _run
from hilir.pipeline.errors import ConfigError
from hilir.pipeline.spec.cost import find_bound
from hilir.pipeline.spec.executors import LAUNCHER
from hilir.pipeline.spec.specification import parse
from hilir.pipeline.vertex.client.fixed_data import find_fixed_data
from hilir.pipeline.vertex.client.job_request import make_request, show_request
from hilir.pipeline.vertex.client.schedules import check_cron
from hilir.pipeline.vertex.client.source import is_specification, load_source
from hilir.pipeline.vertex.compile.lint import check_job
from tests.unit.pipeline.emulator.specs import Builder, dump


def diamond() -> Builder:
    """First, then Left and Right, then Last."""
    builder = Builder()
    builder.step("First", "")
    builder.step("Left", "", after=["First"])
    builder.step("Right", "", after=["First"])
    builder.step("Last", "", after=["Left", "Right"])
    return builder


def test_specifications_and_configurations_are_told_apart(tmp_path):
    spec = tmp_path / "pipeline.yaml"
    spec.write_text(dump(diamond().job()))
    assert is_specification(str(spec))
    assert is_specification("tests/golden/taxi.json")
    assert not is_specification("configs/taxi.yaml")
    assert not is_specification("nowhere.yaml")


def test_faulty_specification_is_refused_before_anything_is_sent(tmp_path):
    builder = diamond()
    builder.executors["Left_executor"]["container"]["image"] = "hilir"
    path = tmp_path / "pipeline.json"
    path.write_text(dump(builder.job()))
    with pytest.raises(ConfigError, match="hilir"):
        load_source(str(path), [], [])


TASKS, EXECUTORS = ("pipelineSpec", "root", "dag", "tasks"), ("pipelineSpec", "deploymentSpec", "executors")
ARGS = (*EXECUTORS, "Left_executor", "container", "args")
LAUNCH = {"image": "h:1", "command": ["python3", "-m", LAUNCHER]}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("pipelineSpec", "pipelineInfo"), ..., "the pipeline's name '': Vertex AI takes a-z, 0-9 and '-'"),
        (("pipelineSpec", "deploymentSpec"), ..., "component First: references unknown executor 'First_executor'"),
        (("pipelineSpec", "components"), ..., "root: task First: references unknown component 'First'; compile again"),
        ((*TASKS, "Left", "componentRef"), ..., "root: task Left: references unknown component ''; compile again"),
        ((*TASKS, "Left", "retryPolicy"), {"maxRetryCount": -1}, "maxRetryCount is -1; give 0 or more"),
        (ARGS, ["--runner=DataflowRunner", "--max_num_workers=many"],
         "step Left: --max_num_workers=many is not a number of workers; give 1 or more"),
        (ARGS[:-1], {**LAUNCH, "args": ["--payload"]},
         "step Left: the custom job's launcher has no readable --payload; compile again"),
        (ARGS[:-1], {**LAUNCH, "args": ["--payload", "{"]},
         "step Left: the custom job's launcher has no readable --payload; compile again"),
        (ARGS[:-1], {**LAUNCH, "args": ["--payload", '{"job_spec": {"worker_pool_specs": 3}}']},
         "step Left: its custom job is not valid on Vertex AI: "),
        (("labels",), ["x"], "labels: are not names and values; write them as {name: value}"),
        (("runtimeConfig", "failurePolicy"), "SOMETIMES", "runtimeConfig.failurePolicy: 'SOMETIMES' is not a policy"),
    ],
)  # fmt: skip
def test_damaged_specification_is_refused_in_a_sentence(tmp_path, path, value, message):
    job = diamond().job()
    node = job
    for part in path[:-1]:
        node = node[part]
    if value is ...:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    file = tmp_path / "pipeline.json"
    file.write_text(dump(job))
    with pytest.raises(ConfigError) as refusal:
        load_source(str(file), [], [])
    assert message in str(refusal.value)


def test_other_spellings_are_sent_in_the_usual_one(tmp_path):
    job = diamond().job()
    spec = job["pipelineSpec"]
    spec["deployment_spec"] = spec.pop("deploymentSpec")
    spec["deployment_spec"]["executors"]["Left_executor"]["container"]["args"] = None
    file = tmp_path / "pipeline.json"
    file.write_text(dump(job))
    source = load_source(str(file), [], [])
    request = make_request(source, [], "my-project", cached=False)
    executors = json.loads(show_request(request))["pipelineJob"]["pipelineSpec"]["deploymentSpec"]["executors"]
    assert executors["Left_executor"]["container"]["image"] == "local:1"
    assert len(find_bound(parse(source.job)).demands) == 4


@pytest.mark.parametrize("text", ["pipelineSpec: 2026-99-99", "pipelineSpec: " + "[" * 9999])
def test_yaml_that_cannot_be_read_is_refused(tmp_path, text):
    file = tmp_path / "pipeline.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="is not valid JSON or YAML"):
        load_source(str(file), [], [])


def test_schedule_of_an_ingest_without_inputs_has_nothing_to_note():
    builder = Builder()
    del builder.step("ExampleGen", "")["inputs"]
    assert find_fixed_data(builder.job(), {}) is None


@pytest.mark.parametrize("text", ['{"pipelineSpec": NaN}', '{"pipelineSpec": {"a": 1e999}}'])
def test_numbers_that_json_has_not_are_refused(tmp_path, text):
    file = tmp_path / "pipeline.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match="is not valid JSON or YAML"):
        load_source(str(file), [], [])


def test_schedule_of_data_without_spans_is_noted():
    job = json.loads(Path("tests/golden/digits.json").read_text())
    values = job["runtimeConfig"]["parameterValues"]
    note = find_fixed_data(job, values)
    assert note is not None
    assert "each run reads gs://my-bucket/data/digits/*.tfrecord, which names no span" in note
    assert find_fixed_data(job, {**values, "data_path": "gs://b/day-{SPAN}"}) is None
    assert find_fixed_data(diamond().job(), {}) is None


@pytest.mark.parametrize("cron", ["0 3 * * *", "TZ=Asia/Jakarta */5 1-3 * * MON,FRI", "CRON_TZ=UTC 0 0 L * *"])
def test_cron_that_is_right(cron):
    check_cron(cron)


@pytest.mark.parametrize(
    "cron", ["", "0 3 * *", "0 3 * * * *", "TZ= 0 3 * * *", "TZ=Nowhere/City 0 3 * * *", "a;b 1 1 1 1"]
)
def test_cron_that_is_wrong(cron):
    with pytest.raises(ConfigError, match="--cron"):
        check_cron(cron)


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("99 99 * * *", "is '99 99 * * *': bad minute"),
        ("- - - - -", "is '- - - - -': a field has numbers, names of three letters and * , - /"),
        ("TZ=Asia/Jakarta x x x x x", "is 'TZ=Asia/Jakarta x x x x x': a field has numbers"),
        ("0 3 * * 8", "is '0 3 * * 8': bad day-of-week"),
        ("*/0 * * * *", "is '*/0 * * * *': bad minute"),
        ("0 0 31 2 *", "is '0 0 31 2 *': bad day-of-month"),
        ("0 0 last * *", "is '0 0 last * *': a field has numbers"),
        ("TZ=../../etc/passwd 0 3 * * *", "names the time zone '../../etc/passwd', which does not exist"),
    ],
)
def test_fields_of_cron_have_their_ranges(cron, reason):
    with pytest.raises(ConfigError) as refusal:
        check_cron(cron)
    assert str(refusal.value).startswith("--cron ")
    assert reason in str(refusal.value)


IDENTITY = {
    "project": "my-project",
    "region": "europe-west4",
    "service_account": "runner@my-project.iam.gserviceaccount.com",
    "network": "projects/123456789012/global/networks/default",
    "encryption_key": "projects/p/locations/europe-west4/keyRings/r/cryptoKeys/k",
    "labels.team": "blue",
}


def dry_run(capsys, *arguments):
    """Returns the request that `hilir submit` prints, without the id that each has of its own."""
    assert _run(["submit", *arguments, "--dry-run"]) == 0
    request = json.loads(capsys.readouterr().out)
    assert request.pop("pipelineJobId")
    return request


def test_compiled_file_is_submitted_as_its_configuration_is(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("HILIR_BUCKET", "my-bucket")
    monkeypatch.setenv("HILIR_IMAGE", "i:1")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "of-somebody-else")
    settings = [part for key, value in IDENTITY.items() for part in ("--set", f"vertex.{key}={value}")]
    configured = ["configs/digits.yaml", "--overlay", "configs/overlays/vertex.yaml", *settings]
    wanted = dry_run(capsys, *configured)
    file = str(tmp_path / "digits.json")
    assert _run(["compile", *configured, "--out", file]) == 0
    capsys.readouterr()
    monkeypatch.delenv("HILIR_BUCKET")
    monkeypatch.delenv("HILIR_IMAGE")
    request = dry_run(capsys, file)
    assert request["parent"] == "projects/my-project/locations/europe-west4"
    job = request["pipelineJob"]
    assert job["serviceAccount"] == IDENTITY["service_account"]
    assert job["network"] == IDENTITY["network"]
    assert job["encryptionSpec"] == {"kmsKeyName": IDENTITY["encryption_key"]}
    assert job["labels"] == {
        "team": "blue", "tfx_py_version": job["labels"]["tfx_py_version"], "tfx_runner": "kubeflow_v2",
        "tfx_version": "1-21-0",
    }  # fmt: skip
    assert request == wanted


def test_command_line_is_above_what_was_compiled(capsys, tmp_path):
    file = tmp_path / "pipeline.json"
    job = diamond().job()
    job |= {"serviceAccount": "a@b.iam.gserviceaccount.com", "network": "projects/1/global/networks/n"}
    job["labels"] = {"hilir-region": "europe-west4", "hilir-project": "theirs", "team": "blue"}
    file.write_text(dump(job))
    settings = ("vertex.region=us-east1", "vertex.network=null", "vertex.labels.team=red")
    request = dry_run(capsys, str(file), *[part for setting in settings for part in ("--set", setting)])
    assert request["parent"] == "projects/theirs/locations/us-east1"
    assert request["pipelineJob"]["serviceAccount"] == "a@b.iam.gserviceaccount.com"
    assert request["pipelineJob"]["labels"] == {"team": "red"}
    assert "network" not in request["pipelineJob"]


@pytest.mark.parametrize("path", ["/home/me/data", "data/digits"])
def test_local_path_is_not_sent(capsys, tmp_path, path):
    arguments = ["submit", "tests/golden/digits.json", "--set", "vertex.project=p", "--dry-run"]
    assert _run([*arguments, "--parameter", f"data_path={path}"]) == 3
    assert capsys.readouterr().err == (
        f"hilir: parameter data_path: '{path}' is on this machine; copy it to a bucket and give its gs:// path\n"
    )
    job = json.loads(Path("tests/golden/digits.json").read_text())
    job["runtimeConfig"]["parameterValues"]["data_path"] = path
    file = tmp_path / "digits.json"
    file.write_text(json.dumps(job))
    arguments[1] = str(file)
    assert _run(arguments) == 3
    assert _run([*arguments, "--parameter", "data_path=gs://b/data"]) == 0, "what is sent counts"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"serviceAccount": ["x"]}, "serviceAccount: is ['x'], which is not a valid name"),
        ({"network": "${oc.env:HOME}"}, "network: is '${oc.env:HOME}', which is not a valid name"),
        ({"encryptionSpec": "k"}, "encryptionSpec: is not {kmsKeyName: name}"),
        ({"encryptionSpec": {"kmsKeyName": 3}}, "encryptionSpec.kmsKeyName: is 3, which is not a valid name"),
        ({"labels": {"hilir-region": "${a}"}}, "labels.hilir-region: is '${a}', which is not a valid name"),
    ],
)
def test_damaged_identity_is_refused(tmp_path, fields, message):
    file = tmp_path / "pipeline.json"
    file.write_text(dump(diamond().job() | fields))
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_source(str(file), [], [])


def test_push_is_a_step_of_the_compiled_pipeline(monkeypatch):
    monkeypatch.setenv("HILIR_BUCKET", "my-bucket")
    monkeypatch.setenv("HILIR_IMAGE", "i:1")
    settings = ["vertex.push.enabled=true", "vertex.project=p", "vertex.push.traffic=10", "export.tflite.variants=[]"]
    source = load_source("configs/digits.yaml", ["configs/overlays/vertex.yaml"], settings)
    task = source.job["pipelineSpec"]["root"]["dag"]["tasks"]["VertexPusher"]
    assert task["inputs"]["artifacts"]["version"]["taskOutputArtifact"]["producerTask"] == "Pusher"
    target = json.loads(task["inputs"]["parameters"]["settings"]["runtimeValue"]["constant"])
    assert (target["project"], target["model"], target["push"]["traffic"]) == ("p", "digits", 10)


def test_machines_of_the_endpoint_are_told_apart(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("HILIR_BUCKET", "my-bucket")
    monkeypatch.setenv("HILIR_IMAGE", "i:1")
    push = "{enabled: true, max_replicas: 3, keep_versions: 4, accelerator: NVIDIA_L4, machine_type: g2-standard-4}"
    settings = ["vertex.project=p", f"vertex.push={push}"]
    source = load_source("configs/digits.yaml", ["configs/overlays/vertex.yaml"], settings)
    file = tmp_path / "digits.json"
    file.write_text(json.dumps(source.job))
    assert _run(["submit", str(file), "--dry-run"]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("until undeployed")]
    assert line == (
        "until undeployed: 12 x g2-standard-4 with 1 NVIDIA_L4 of the endpoint digits (VertexPusher: 4 versions "
        "with up to 3 each; one version more during a push, and each older one that still has traffic)"
    )
    inputs = source.job["pipelineSpec"]["root"]["dag"]["tasks"]["VertexPusher"]["inputs"]["parameters"]
    inputs["settings"]["runtimeValue"]["constant"] = "{}"
    assert check_job(source.job) == [
        "step VertexPusher: its settings are not those of this version of hilir (project); compile again"
    ]
