"""Beam's FlinkRunner with a job server that ends with its pipeline.

Beam's own keeps the server, a Java process for each pipeline, until Python ends, and has it open a third port, for
pipelines of other languages.

Beam's servers in Java, also those that a task manager opens for its workers, listen on all addresses of a machine and
ask for no credentials (org.apache.beam.sdk.fn.server.ServerFactory): the network has to keep others out.

`--runner=hilir.components.processes.flink_runner.ClusterRunner` asks for it.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from threading import Thread
from typing import IO, Any

import grpc
from apache_beam.options.pipeline_options import FlinkRunnerOptions, PipelineOptions
from apache_beam.portability.api import beam_job_api_pb2_grpc
from apache_beam.runners.portability.flink_runner import FlinkJarJobServer, FlinkRunner
from apache_beam.runners.portability.job_server import JobServer

from hilir.components.processes.errors import ClusterError
from hilir.components.processes.process import BOUND_TO_PARENT

_STARTED = re.compile(r"JobService started on (\S+)")
_SECONDS = 10

_log = logging.getLogger(__name__)


class ClusterRunner(FlinkRunner):
    """Submits pipelines to a cluster of Flink."""

    _server: JobServer | None = None

    def default_job_server(self, options: PipelineOptions) -> JobServer:
        """Returns the server that is started for a pipeline, where the options name none that runs."""
        flink = options.view_as(FlinkRunnerOptions)
        if flink.flink_submit_uber_jar:
            return super().default_job_server(options)
        self._server = LocalJobServer(
            FlinkJarJobServer.local_jar(FlinkJarJobServer(options).path_to_jar()),
            self.add_http_scheme(flink.flink_master),
        )
        return self._server

    def run_portable_pipeline(self, pipeline: Any, options: PipelineOptions) -> Any:
        """Returns the pipeline's result; its server ends when the pipeline has ended."""
        try:
            result = super().run_portable_pipeline(pipeline, options)
        except BaseException:
            self._stop()
            raise
        result._cleanup_callbacks = [*result._cleanup_callbacks, self._stop]
        return result

    def _stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None


class LocalJobServer(JobServer):
    """Beam's job server for Flink, a Java process that ends with this one."""

    def __init__(self, jar: str, master: str) -> None:
        """`jar`: path of `beam-runners-flink-…-job-server`; `master`: the cluster's address, or `[local]`."""
        self._jar, self._master = jar, master
        self._process: subprocess.Popen[str] | None = None
        self._channel: grpc.Channel | None = None
        self._artifacts = ""

    def start(self) -> Any:
        """Starts the server and returns the stub of its job service.

        Raises:
            ClusterError: it does not start.
        """
        self._artifacts = tempfile.mkdtemp(prefix="beam-")
        java = os.path.join(os.environ["JAVA_HOME"], "bin", "java") if os.environ.get("JAVA_HOME") else "java"
        command = [java, "-jar", self._jar, "--flink-master", self._master, "--artifacts-dir", self._artifacts]
        # It chooses free ports itself; -1 is none.
        command += ["--job-port", "0", "--artifact-port", "0", "--expansion-port", "-1"]
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-c", BOUND_TO_PARENT, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",
        )
        assert self._process.stdout is not None
        last = ""
        for line in self._process.stdout:
            _log.info("job server: %s", line.rstrip())
            last = line.strip() or last
            if found := _STARTED.search(line):
                Thread(target=_forward, args=(self._process.stdout,), daemon=True, name="job server's log").start()
                self._channel = grpc.insecure_channel(found[1], [("grpc.max_receive_message_length", -1)])
                return beam_job_api_pb2_grpc.JobServiceStub(self._channel)
        self.stop()
        raise ClusterError(
            f"Beam's job server {self._jar} did not start: {last or 'it printed nothing'}; see the run's log, and "
            f"check that 'java -version' prints 17 or later"
        )

    def stop(self) -> None:
        """Ends the server and removes the files that were handed to it."""
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._artifacts, ignore_errors=True)


def _forward(lines: IO[str]) -> None:
    for line in lines:
        _log.info("job server: %s", line.rstrip())
