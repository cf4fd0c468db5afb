"""Beam's local runner with worker processes that are forked from a preloaded one.

Beam's own `multi_processing` starts each worker as a new Python, which imports TensorFlow and TFX anew, and its servers
listen on all addresses of the machine, where they unpickle what anybody sends. Here a worker is there at once, and the
servers listen on UNIX sockets in a folder that only this user can enter.

`--runner=hilir.components.processes.beam_workers.ForkRunner --direct_num_workers=N` asks for it.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from threading import Thread
from typing import Any

import grpc
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.portability.api import beam_provision_api_pb2, endpoints_pb2
from apache_beam.runners.job import utils as job_utils
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo, FnApiRunner
from apache_beam.transforms import environments
from google.protobuf import json_format, text_format

from hilir.components.processes.errors import ProcessError, WorkerDied
from hilir.components.processes.fork_server import ForkedChild, ForkServer, serve_modules, serve_this_process
from hilir.components.processes.process import copy_environment, describe_exit

RUNNER = f"{__name__}.ForkRunner"
_URN = "hilir:env:forked:v1"
_WORKER = "apache_beam.runners.worker.sdk_worker_main"
_MODULES = ("tensorflow_transform", "tensorflow_transform.beam", "tensorflow_data_validation", _WORKER)
_END_SECONDS = 5
_NEWS_SECONDS = 0.5
# The longest path that Linux takes for a UNIX socket is 107 bytes.
_LONGEST_FOLDER = 80

_log = logging.getLogger(__name__)
_server: ForkServer | None = None
# Of the pipeline that runs; Beam's runner makes the workers, and there is no way to them from it.
_deaths: list[WorkerDied] = []
_workers = 1


@contextmanager
def forked_from_here() -> Iterator[None]:
    """Forks the process now from which all workers inside the context are forked, see `serve_this_process`."""
    global _server
    # Imported here, so that no worker has to.
    import apache_beam.runners.worker.sdk_worker_main  # noqa: F401

    _server = serve_this_process("see the run's log")
    try:
        yield
    finally:
        _server.close()
        _server = None


def _find_server() -> ForkServer:
    """Returns what forks workers; outside of `forked_from_here` a process of its own, kept until this one ends."""
    global _server
    if _server is None:
        _server = serve_modules(_MODULES, copy_environment(), None, "its reason was printed above")
    return _server


@environments.Environment.register_urn(_URN, None)
class ForkedEnvironment(environments.Environment):
    """Says that a worker is to be forked."""

    def to_runner_api_parameter(self, context: Any) -> tuple[str, bytes]:
        """Returns the environment's name; there is nothing to add."""
        del context
        return _URN, b""

    @staticmethod
    def from_runner_api_parameter(
        payload: Any, capabilities: Any, artifacts: Any, resource_hints: Any, context: Any
    ) -> ForkedEnvironment:
        """Returns the environment of a pipeline's proto."""
        del payload, context
        return ForkedEnvironment(capabilities, artifacts, resource_hints)


class ForkRunner(FnApiRunner):
    """Beam's local runner, with forked workers."""

    def __init__(self) -> None:
        super().__init__(default_environment=ForkedEnvironment(capabilities=environments.python_sdk_capabilities()))

    def run_pipeline(self, pipeline: Any, options: PipelineOptions) -> Any:
        """Runs the pipeline and returns its result, with `--direct_num_workers` workers.

        Raises:
            WorkerDied: a worker ended before its work was done.
        """
        global _workers
        # Any other running mode replaces the environment, or warns.
        options.view_as(DirectOptions).direct_running_mode = None
        self._provision_info = _describe_job(options)
        _deaths.clear()
        _workers = max(1, options.view_as(DirectOptions).direct_num_workers or 1)
        try:
            with _private_sockets():
                return super().run_pipeline(pipeline, options)
        except Exception as error:
            # Whichever thread waited for the worker raised its own error about a connection.
            if _deaths:
                raise _deaths[0] from error
            raise


def _describe_job(options: PipelineOptions) -> ExtendedProvisionInfo:
    """Returns what workers learn of the job: the options that are not at their default."""
    # A Struct has no whole numbers, and workers parse the options as those of a command line.
    given = {
        f"beam:option:{name}:v1": str(value) if type(value) is int else value
        for name, value in options.get_all_options(drop_default=True).items()
        if value is not None
    }
    info = beam_provision_api_pb2.ProvisionInfo(pipeline_options=job_utils.dict_to_struct(given))
    return ExtendedProvisionInfo(info)


@contextmanager
def _private_sockets() -> Iterator[None]:
    """Makes Beam's servers listen on UNIX sockets in a folder of mode 0700 instead of on `[::]`.

    The class that opens them has the address in its code, so what it calls is replaced while a pipeline runs. It keeps
    what `add_insecure_port` returns as the port; here that is the address, which `ForkedWorker` gives to its worker.
    """
    folder = _make_folder()
    numbers = count()
    create = grpc.server

    class PrivateGrpc:
        def __getattr__(self, name: str) -> Any:
            return getattr(grpc, name)

        def server(self, *args: Any, **keywords: Any) -> Any:
            server = create(*args, **keywords)
            add = server.add_insecure_port

            def add_insecure_port(_: str) -> str:
                address = f"unix:{folder}/{next(numbers)}"
                add(address)
                return address

            server.add_insecure_port = add_insecure_port
            return server

    before = worker_handlers.grpc
    worker_handlers.grpc = PrivateGrpc()
    try:
        yield
    finally:
        worker_handlers.grpc = before
        shutil.rmtree(folder, ignore_errors=True)


def _make_folder() -> str:
    folder = tempfile.mkdtemp(prefix="hilir-")
    if len(os.fsencode(folder)) > _LONGEST_FOLDER:
        os.rmdir(folder)
        folder = tempfile.mkdtemp(prefix="hilir-", dir="/tmp")
    return folder


@worker_handlers.WorkerHandler.register_environment(_URN, None)
class ForkedWorker(worker_handlers.GrpcWorkerHandler):
    """The runner's end of one worker process."""

    def __init__(self, payload: Any, state: Any, provision_info: Any, grpc_server: Any) -> None:
        del payload
        super().__init__(state, provision_info, grpc_server)
        self._child: ForkedChild | None = None
        self._closing = False
        self._failed = False

    def port_from_worker(self, port: Any) -> str:
        """Returns the address that `_private_sockets` gave in place of a port."""
        return str(port)

    def start_worker(self) -> None:
        """Forks the worker.

        Raises:
            WorkerDied: there is nothing to fork it from.
        """
        options = json_format.MessageToJson(self.provision_info.provision_info.pipeline_options)
        threads = str(max(1, (os.cpu_count() or 1) // _workers))
        environment = os.environ | {
            "CONTROL_API_SERVICE_DESCRIPTOR": _describe(self.control_api_service_descriptor()),
            "LOGGING_API_SERVICE_DESCRIPTOR": _describe(self.logging_api_service_descriptor()),
            "PIPELINE_OPTIONS": options,
            "WORKER_ID": self.worker_id,
            # As many threads in all as there are cores, however many workers.
            "TF_NUM_INTRAOP_THREADS": threads,
            "TF_NUM_INTEROP_THREADS": threads,
        }
        try:
            self._child = _find_server().fork(_WORKER, [], environment)
        except ProcessError as error:
            raise WorkerDied(f"a worker process of Beam cannot be started: {error}") from error
        Thread(target=self._watch, args=(self._child,), daemon=True, name=f"watch {self.worker_id}").start()

    def _watch(self, child: ForkedChild) -> None:
        child.ended.wait()
        if self._closing:
            return
        reason = self._take_down(child)

        def refuse(_: Any) -> Any:
            raise reason

        # What waits for it ends, and what is asked of it later fails as well.
        self.control_conn.push = refuse
        self.control_conn.abort(reason)
        self.data_conn._exception = reason

    def _take_down(self, child: ForkedChild) -> WorkerDied:
        """Notes that the worker ended without being asked to."""
        self._failed = True
        reason = WorkerDied(
            f"a worker process of Beam (process {child.pid}) {describe_exit(child.code or 0)}; run again, with fewer "
            f"beam.workers if memory ran out"
        )
        _deaths.append(reason)
        return reason

    def close(self) -> None:
        """Ends the worker: at once if it failed or is in the middle of something, else when it has closed its end."""
        self._closing = True
        child, pending = self._child, bool(self.control_conn._futures_by_id)
        if child is not None and pending and not self._failed:
            # Perhaps its end is why this is called, and the news of it has not come yet.
            if child.ended.wait(_NEWS_SECONDS):
                self._take_down(child)
            _kill(child)
        if not self._failed:
            self.control_conn.close()
            self.data_conn.close()
        self.stop_worker()

    def stop_worker(self) -> None:
        """Waits until the worker has ended, and kills it if it does not."""
        if self._child is not None and not self._child.ended.wait(_END_SECONDS):
            _log.warning("the worker process %s did not end by itself", self._child.pid)
            _kill(self._child)
            self._child.ended.wait(_END_SECONDS)


def _kill(child: ForkedChild) -> None:
    if child.poll() is None:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def _describe(descriptor: endpoints_pb2.ApiServiceDescriptor) -> str:
    text: str = text_format.MessageToString(descriptor)
    return text


def list_options(workers: int) -> list[str]:
    """Returns Beam's options for so many forked workers."""
    return [f"--runner={RUNNER}", f"--direct_num_workers={workers}"]
