"""The worker that a cluster starts, started by Beam's own worker pool and fed by Beam's own job service."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apache_beam as beam
import grpc
import pytest
from apache_beam.portability.api import beam_fn_api_pb2_grpc
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer
from apache_beam.testing.util import assert_that, equal_to

WORKER = Path(sys.executable).with_name("hilir-beam-worker")


@pytest.fixture
def pool():
    """Yields the address of a pool that starts workers as an image's container does: by the program's contract."""
    server = grpc.server(ThreadPoolExecutor())
    servicer = BeamFnExternalWorkerPoolServicer(use_process=True, container_executable=str(WORKER))
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    for process in servicer._worker_processes.values():
        process.kill()
        process.wait()
    server.stop(None)


def run(pool: str, *options: str) -> None:
    here = os.getpid()
    given = ["--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=EXTERNAL"]
    given += [f"--environment_config={pool}", "--sdk_container_image=unused", *options]
    with beam.Pipeline(argv=given) as pipeline:
        where = beam.Map(lambda number: (number, os.path.basename(sys.argv[0]), os.getpid() != here))
        found = pipeline | beam.Create([1, 2]) | where
        assert_that(found, equal_to([(1, WORKER.name, True), (2, WORKER.name, True)]))


def test_a_job_runs_in_the_installed_worker(pool):
    run(pool)
