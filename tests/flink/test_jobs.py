"""Beam's pipelines on a cluster of Flink with two task managers, by the options that `beam.runner: flink` gives."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from threading import Thread

import apache_beam as beam
import pytest

from hilir.pipeline.config import load
from hilir.pipeline.engine.options import list_run_options
from tests.flink.cluster import Cluster, find_job_server, find_libraries

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

ROWS = 60


@pytest.fixture(scope="module")
def job_server() -> Path:
    found = find_job_server()
    if shutil.which("java") is None or not find_libraries():
        pytest.skip("there is no Java or no Flink; type 'make test-flink'")
    if found is None:
        pytest.skip("there is no job server of Beam's for Flink; name its file by HILIR_FLINK_JOB_SERVER")
    return found


@pytest.fixture
def cluster(tmp_path):
    found = Cluster(tmp_path / "cluster")
    yield found
    found.close()


def list_options(cluster: Cluster, job_server: Path) -> list[str]:
    args = [f"--flink_master={cluster.address}", f"--flink_job_server_jar={job_server}"]
    settings = ["beam.runner=flink", "beam.workers=2", f"beam.args={json.dumps(args)}"]
    return list_run_options(load("configs/taxi.yaml", settings=settings).config)


def double(number: int) -> int:
    time.sleep(0.2)
    return 2 * number


def test_a_killed_task_manager_does_not_stop_a_job(cluster, job_server, tmp_path):
    killed = []

    def kill() -> None:
        def works() -> bool:
            jobs = [job for job in cluster.ask("jobs/overview")["jobs"] if job["state"] == "RUNNING"]
            killed.extend(job["jid"] for job in jobs if job["tasks"]["running"] >= 2)
            return bool(killed)

        cluster.wait(works)
        cluster.kill_task_manager()

    thread = Thread(target=kill)
    thread.start()
    with beam.Pipeline(argv=list_options(cluster, job_server)) as pipeline:
        rows = pipeline | beam.Create(range(ROWS)) | beam.Reshuffle() | beam.Map(double)
        _ = rows | beam.CombineGlobally(sum) | beam.Map(str) | beam.io.WriteToText(str(tmp_path / "sum"))
    thread.join()
    (written,) = tmp_path.glob("sum-*")
    assert int(written.read_text()) == ROWS * (ROWS - 1)
    (job,) = cluster.ask("jobs/overview")["jobs"]
    assert (job["jid"], job["state"]) == (killed[0], "FINISHED")
    # Its first attempt failed.
    assert cluster.ask(f"jobs/{job['jid']}/exceptions")["exceptionHistory"]["entries"]
