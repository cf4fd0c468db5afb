"""The options that Beam gets for each engine."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions
from apache_beam.testing.util import assert_that, equal_to

from hilir.pipeline.config import load
from hilir.pipeline.engine.beam_options import list_run_options, list_step_options
from hilir.pipeline.engine.check import check_engine
from hilir.pipeline.errors import ConfigError

LOCAL = ["--runner=FnApiRunner", "--sdk_container_image=unused"]
DATAFLOW = [
    "beam.runner=dataflow",
    "vertex.project=my-project",
    "vertex.bucket=my-bucket",
    "vertex.image=host/hilir:1.0",
    "pipeline.root=gs://my-bucket/pipelines",
    "data.path=gs://my-bucket/data",
]


def options(*settings: str) -> list[str]:
    return list_run_options(load("configs/taxi.yaml", settings=settings).config)


def check(*settings: str) -> str:
    return str(check_engine(load("configs/taxi.yaml", settings=settings).config))


def test_the_local_engine_is_one_process_and_the_users_options_come_last() -> None:
    assert options() == LOCAL
    assert options("beam.args=[--max_cache_memory_usage_mb=7]") == [*LOCAL, "--max_cache_memory_usage_mb=7"]


def test_several_processes_are_forked() -> None:
    assert options("beam.runner=multiprocess", "beam.workers=3") == [
        "--runner=hilir.components.processes.beam_workers.ForkRunner",
        "--direct_num_workers=3",
        "--sdk_container_image=unused",
    ]
    assert check("beam.runner=multiprocess", "beam.workers=3") == (
        "beam.runner 'multiprocess': Beam steps run in 3 forked processes"
    )


def test_the_complete_options_of_dataflow() -> None:
    given = options(
        *DATAFLOW,
        "beam.workers=4",
        "vertex.labels={team: blue, app: taxi}",
        "vertex.service_account=a@b.iam.gserviceaccount.com",
        "vertex.dataflow.subnetwork=regions/us-central1/subnetworks/s",
        "vertex.dataflow.public_ips=false",
        "vertex.encryption_key=projects/p/locations/us-central1/keyRings/r/cryptoKeys/k",
        "beam.args=[--number_of_worker_harness_threads=2]",
    )
    assert given == [
        "--runner=DataflowRunner",
        "--project=my-project",
        "--region=us-central1",
        "--temp_location=gs://my-bucket/dataflow/tmp",
        "--staging_location=gs://my-bucket/dataflow/staging",
        "--sdk_container_image=host/hilir:1.0",
        "--sdk_location=container",
        "--experiments=use_runner_v2",
        "--worker_machine_type=n2-standard-4",
        "--max_num_workers=4",
        "--disk_size_gb=50",
        "--labels=app=taxi",
        "--labels=team=blue",
        "--service_account_email=a@b.iam.gserviceaccount.com",
        "--subnetwork=regions/us-central1/subnetworks/s",
        "--no_use_public_ips",
        "--dataflow_kms_key=projects/p/locations/us-central1/keyRings/r/cryptoKeys/k",
        "--number_of_worker_harness_threads=2",
    ]
    # Beam knows each of them: what it does not know, it leaves aside with a warning.
    known = PipelineOptions(given).get_all_options(drop_default=True, retain_unknown_options=False)
    assert len(known) == len(given) - 1  # both labels are one option


def test_dataflow_says_what_it_lacks() -> None:
    assert check("beam.runner=dataflow") == (
        "beam.runner 'dataflow': needs vertex.project, vertex.bucket, vertex.image; give them, see "
        "configs/overlays/vertex.yaml"
    )
    assert check(*DATAFLOW[:4]) == (
        "beam.runner 'dataflow': its workers cannot read pipeline.root and data.path on this machine; give gs://… paths"
    )
    assert check(*DATAFLOW) == "beam.runner 'dataflow': up to 10 workers in us-central1"


FLINK = [
    "--runner=hilir.components.processes.flink_runner.ClusterRunner",
    "--parallelism=2",
    "--sdk_worker_parallelism=1",
    "--sdk_container_image=unused",
]


def test_task_managers_of_a_cluster_start_the_installed_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/projects/trips")
    given = options("beam.runner=flink", "beam.workers=2", "beam.args=[--flink_master, 'localhost:8081']")
    worker = Path(sys.executable).with_name("hilir-beam-worker")
    assert given[:5] == [*FLINK, "--environment_type=PROCESS"]
    assert given[6:] == ["--flink_master", "localhost:8081"]
    environment = json.loads(given[5].removeprefix("--environment_config="))
    assert environment["command"] == str(worker)
    # The project's folders come first, as they do here.
    assert environment["env"]["PYTHONPATH"].split(os.pathsep)[-1] == "/projects/trips"
    assert os.access(worker, os.X_OK)


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--flink_master=[auto]"],
        ["--flink_master=localhost:8081", "--environment_type=EXTERNAL", "--environment_config=localhost:50000"],
    ],
)
def test_another_environment_stays_as_the_user_gives_it(args: list[str]) -> None:
    assert options("beam.runner=flink", "beam.workers=2", f"beam.args={json.dumps(args)}") == [*FLINK, *args]


def test_the_cluster_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "java").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        settings = ["beam.runner=flink", "beam.workers=2", f"beam.args=[--flink_master=http://{address}]"]
        assert check(*settings) == f"beam.runner 'flink': the cluster at {address}, parallelism 2, workers by PROCESS"
    assert check(*settings).startswith(f"beam.runner 'flink': nothing answers at {address}: ")
    assert check(*settings).endswith("; start the cluster, or set --flink_master")
    assert check("beam.runner=flink") == (
        "beam.runner 'flink': a cluster that Beam starts in one process here; --flink_master=HOST:PORT names another"
    )
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert check(*settings) == (
        "beam.runner 'flink': there is no Java, in which Beam's job server runs; install Java 17"
    )


def test_a_portable_engine_gets_options_and_pickled_code_over_its_protocol() -> None:
    """Beam's own job service stands for the cluster's: jobs, artifacts and an external worker go the whole way."""
    flink = options("beam.runner=flink", "beam.workers=2")[1:]
    portable = ["--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=LOOPBACK", *flink]
    assert PipelineOptions(portable).view_as(PortableOptions).sdk_worker_parallelism == "1"
    factor = 3
    with beam.Pipeline(argv=portable) as pipeline:
        found = pipeline | beam.Create([1, 2]) | beam.Map(lambda number: number * factor)
        assert_that(found, equal_to([3, 6]))


def test_a_step_on_vertex_ai_has_a_machine_of_its_own() -> None:
    flink = load("configs/taxi.yaml", settings=["beam.runner=flink", "beam.args=[--flink_master=a:1]"]).config
    assert list_step_options(flink) == LOCAL


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ("beam.runner=spark", "must be 'local', 'multiprocess', 'dataflow' or 'flink', and is 'spark'"),
        ("beam.args=[--runner=FlinkRunner]", "names a runner by '--runner=FlinkRunner'; set beam.runner to one of "),
        ("beam.args=[--runner, FlinkRunner]", "names a runner by '--runner'; set beam.runner to one of "),
        ("beam.args=[--run=FlinkRunner]", "names a runner by '--run=FlinkRunner'; set beam.runner to one of "),
        ("beam.runner=DaskRunner", "names the DaskRunner, which loses the output of all sinks but one without an err"),
        ("beam.args=[--runner=apache_beam.runners.dask.dask_runner.DaskRunner]", "names the DaskRunner, which loses"),
    ],
)
def test_what_names_no_engine_is_refused(setting: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options(setting)
    assert fault in str(caught.value)
