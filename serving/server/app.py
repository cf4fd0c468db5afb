"""The whole server: put together, started, kept up to date, and stopped."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import platform
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hilir.serving.errors import ServingConfigError, ServingStartError
from hilir.serving.outcomes.backends import open_store
from hilir.serving.sample_request import write_curl
from hilir.serving.server import assembly
from hilir.serving.server.grpc.grpc_aio import AioServer
from hilir.serving.server.grpc.grpc_core import CoreServer
from hilir.serving.server.grpc.grpc_server import make_grpc_server
from hilir.serving.server.grpc.grpc_service import GrpcApi
from hilir.serving.server.heap import return_memory
from hilir.serving.server.inference.batcher import Batcher
from hilir.serving.server.inference.executor import Executor
from hilir.serving.server.inference.memory import MemoryBudget
from hilir.serving.server.inference.recorder import Recorder
from hilir.serving.server.inference.service import InferenceService
from hilir.serving.server.options import LOOPBACK, ServeOptions
from hilir.serving.server.ports import bind, close, port_taken, raise_open_files
from hilir.serving.server.rest.api import RestApi
from hilir.serving.server.rest.http_message import HttpLimits
from hilir.serving.server.rest.http_server import HttpServer
from hilir.serving.server.rest.outcomes import OutcomeEndpoint
from hilir.serving.server.security.tls import TlsConfig, http_context, read_tls_config
from hilir.serving.server.security.tokens import Tokens
from hilir.serving.server.servables.config_source import ConfigSource
from hilir.serving.server.servables.lifecycle import Lifecycle
from hilir.serving.server.servables.loader import load_servable
from hilir.serving.server.servables.manager import ServerCore
from hilir.serving.server.servables.servable import Servable
from hilir.serving.server.status import StatusError
from hilir.serving.server.telemetry.metrics import Metrics
from hilir.serving.server.telemetry.outcome_counters import OutcomeCounters
from hilir.serving.server.telemetry.request_ids import RequestIds
from hilir.serving.server.telemetry.request_log import LogOptions, NoLog, RequestLog
from hilir.serving.server.telemetry.tracing import make_tracer
from hilir.serving.server.warmup import replay_warmup

logger = logging.getLogger(__name__)
Say = Callable[[str], None]
_SAMPLES = 3
_TLS_TIMEOUTS = {"ssl_handshake_timeout": 10.0, "ssl_shutdown_timeout": 2.0}


class ModelServer:
    """One server process.

    Args:
        options: all flags.
        say: prints a line for the user.

    Raises:
        ServingConfigError: a flag or a file is wrong.
    """

    def __init__(self, options: ServeOptions, say: Say) -> None:
        self.options = options
        self.say = say
        self.metrics = Metrics()
        self.metrics.build_info.set(*_find_versions(), to=1)
        self.lifecycle = Lifecycle(self._load, return_memory, assembly.lifecycle_options(options))
        project = options.serves_project
        self.core = ServerCore(
            self.lifecycle,
            labels_for_unavailable=options.allow_version_labels_for_unavailable_models or project,
            model_root=options.model_root or (options.root if project else None),
        )
        self.source = ConfigSource(options)
        self.tls: TlsConfig | None = read_tls_config(options.ssl_config_file) if options.ssl_config_file else None
        self.tokens = Tokens.read(options.tokens_file) if options.tokens_file else None
        self.batch_options = assembly.batch_options(options)
        self.rest_options = assembly.rest_options(options)
        self.outcomes = self._take_outcomes(options) if options.outcomes else None
        self.ssl_context: ssl.SSLContext | None = None
        if options.rest_tls:
            if self.tls is None:
                raise ServingConfigError("--rest-tls needs --ssl_config_file.")
            self.ssl_context = http_context(self.tls)
        self.grpc_server: CoreServer | AioServer | None = None
        self.rest_sockets: list[socket.socket] = []
        self.grpc_sockets: list[socket.socket] = []
        self.stopping = asyncio.Event()

    def _load(self, name: str, version: int, path: str) -> Servable:
        try:
            servable = self._load_and_warm(name, version, path)
        except StatusError as error:
            self.metrics.load_attempts.add(path, error.code.name)
            raise
        self.metrics.load_attempts.add(path, "success")
        return servable

    def _load_and_warm(self, name: str, version: int, path: str) -> Servable:
        options = self.options
        servable = load_servable(name, version, path, assembly.load_options(options))
        try:
            if options.enable_model_warmup:
                replay_warmup(servable, max(options.num_request_iterations_for_warmup, 1), self.metrics)
        except BaseException:
            servable.close()
            raise
        return servable

    def _take_outcomes(self, options: ServeOptions) -> OutcomeEndpoint:
        counters = OutcomeCounters()
        self.metrics.add(counters.outcomes, counters.batches)
        return OutcomeEndpoint(open_store(options.outcomes, options.replicas), counters)

    async def run(self, ready: Callable[[], None] | None = None) -> None:
        """Serve until a signal comes.

        Raises:
            ServingStartError: a port is taken, or the models do not become available.
        """
        loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self.stopping.set)
        # What the imports have made lives as long as the process: a collection after each unload that looked
        # at all of it would stop every request for half a second.
        gc.collect()
        gc.freeze()
        raise_open_files(2 * self.options.max_connections, self.say)
        hosts = self.options.hosts
        self.rest_sockets = bind(hosts, self.options.rest_api_port, "REST", "--rest_api_port")
        try:
            # gRPC makes sockets of its own: this one keeps the port until then.
            self.grpc_sockets = bind(hosts, self.options.port, "gRPC", "--port")
            self.lifecycle.start()
            if not await self._load_models():
                return
            await self._serve(ready)
        finally:
            close((*self.rest_sockets, *self.grpc_sockets))
            await asyncio.to_thread(self.lifecycle.stop)

    async def _load_models(self) -> bool:
        """Bring up the models; False if a signal came first."""
        loading = asyncio.ensure_future(asyncio.to_thread(self._apply_first_config))
        stopping = asyncio.ensure_future(self.stopping.wait())
        await asyncio.wait((loading, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not loading.done():
            # The thread still waits for models; nothing it could do matters any more.
            os._exit(130)
        loading.result()
        return True

    def _apply_first_config(self) -> None:
        config = self.source.read()
        try:
            self.core.reload(config, wait=False)
            names = list(self.lifecycle.models)
            self.core.wait_until_available(names, what="servable(s)", first_try=self.source.partial)
        except StatusError as error:
            if not self.source.partial or not self.core.table.current.versions:
                raise ServingStartError(f"Failed to start server. Error: {error}") from None
            self.say(f"Some models are not served: {error.message}")

    async def _serve(self, ready: Callable[[], None] | None) -> None:
        options = self.options
        loop = asyncio.get_running_loop()
        budget = MemoryBudget(options.max_request_memory)
        log = self._request_log(budget)
        executor = Executor(loop, options.rest_api_num_threads or 2 * (os.cpu_count() or 1))
        if self.batch_options is not None:
            executor.batcher = Batcher(
                loop,
                executor.pool,
                self.batch_options,
                self.metrics,
                options.enable_per_model_batching_parameters,
            )
        tracer = make_tracer(options.otlp_endpoint, options.trace_rate, self.metrics)
        recorder = Recorder(self.core, self.metrics, log, tracer)
        service = InferenceService(self.core, executor, recorder, budget, options.max_in_flight)
        ids = RequestIds()
        rest = RestApi(self.core, service, recorder, self.metrics, self.rest_options, ids, self.tokens, self.outcomes)
        api = GrpcApi(
            self.core,
            service,
            self.metrics,
            as_content=options.enable_serialization_as_tensor_content,
            check_method=options.enable_signature_method_name_check,
        )
        limits = HttpLimits(max_body=options.max_request_bytes, max_connections=options.max_connections)
        http = HttpServer(rest.handle, limits, budget)
        close(self.grpc_sockets)
        self.grpc_server, addresses = make_grpc_server(api, options, ids, self.tls, self.tokens, budget)
        listeners = await self._listen_http(http)
        await self.grpc_server.start()
        tasks = [loop.create_task(http.sweep()), loop.create_task(self._keep_up_to_date(log))]
        self._announce(addresses, listeners)
        if ready is not None:
            ready()
        await self.stopping.wait()
        rest.draining = True
        self.say("Stopping: finishing the requests in progress.")
        for task in tasks:
            task.cancel()
        await self._stop(listeners, http, self.grpc_server)
        await asyncio.to_thread(tracer.close)
        await asyncio.to_thread(log.close)
        if self.outcomes is not None:
            await asyncio.to_thread(self.outcomes.close)
        executor.close()

    async def _stop(self, listeners: list[asyncio.Server], http: HttpServer, server: CoreServer | AioServer) -> None:
        for listener in listeners:
            listener.close()
        seconds = self.options.drain_seconds
        await asyncio.gather(http.drain(seconds), server.stop(seconds))

    async def _listen_http(self, http: HttpServer) -> list[asyncio.Server]:
        loop = asyncio.get_running_loop()
        tls_timeouts: dict[str, Any] = {} if self.ssl_context is None else _TLS_TIMEOUTS
        listeners = []
        for sock in self.rest_sockets:
            try:
                listener = await loop.create_server(
                    http.factory, sock=sock, backlog=1024, ssl=self.ssl_context, **tls_timeouts
                )
            except OSError as error:
                # Two servers that load at the same time can both have bound the port; one of them listens.
                host, port = sock.getsockname()[:2]
                raise port_taken(f"{host}:{port}", "REST", "--rest_api_port", error.strerror or str(error)) from None
            listeners.append(listener)
        return listeners

    def _announce(self, grpc_addresses: list[str], listeners: list[asyncio.Server]) -> None:
        names = ", ".join(sorted(self.core.table.current.versions)) or "no model yet"
        scheme = "https" if self.ssl_context is not None else "http"
        self.say(f"Serving {names}")
        if grpc_addresses:
            self.say(f"gRPC on {', '.join(grpc_addresses)}")
        if listeners:
            host = self.options.hosts[0]
            host = f"[{host}]" if ":" in host else host
            address = f"{scheme}://{host}:{self.options.rest_api_port}"
            self.say(f"REST on {address}")
            self._announce_samples(address)
        if self.options.hosts == LOOPBACK:
            self.say("Only this machine can connect. Use --host 0.0.0.0 to serve others.")
        elif self.tokens is None and (self.tls is None or not self.tls.verify_client):
            self.say("Anybody who reaches these ports can connect. Use --tokens-file or client certificates.")

    def _announce_samples(self, address: str) -> None:
        """Print a request to try for the first models."""
        for name, versions in sorted(self.core.table.current.versions.items())[:_SAMPLES]:
            settings = self.lifecycle.models.get(name)
            if settings is not None:
                folder = Path(settings.base_path) / str(max(versions))
                if line := write_curl(folder, name, address, token=self.tokens is not None):
                    self.say(f"Try {name}: {line}")

    async def _keep_up_to_date(self, log: RequestLog | NoLog) -> None:
        """Follow the configuration file, if it is to be followed."""
        while True:
            if isinstance(log, RequestLog):
                log.set_models(self._log_options())
            seconds = self.source.poll_seconds
            await asyncio.sleep(seconds or 1.0)
            if seconds:
                await asyncio.to_thread(self._reload)

    def _reload(self) -> None:
        try:
            config = self.source.read_if_changed(self.core.table.current.versions)
            if config is None:
                return
            self.core.reload(config, wait=False)
        except (StatusError, ServingConfigError) as error:
            self.source.failed(error)
        except Exception:
            # A fault of ours must not end the polling without a word.
            logger.exception("the configuration was not applied; it is read again in %s s", self.source.poll_seconds)
        else:
            self.source.applied()

    def _log_options(self) -> dict[str, LogOptions]:
        return {
            model.name: assembly.log_options(self.options, model.logging.prefix, model.logging.rate)
            for model in self.lifecycle.models.values()
            if model.logging is not None
        }

    def _request_log(self, budget: MemoryBudget) -> RequestLog | NoLog:
        prefix = self.options.request_log
        default = assembly.log_options(self.options, prefix, self.options.request_log_rate) if prefix else None
        return RequestLog(self._log_options(), default, self.metrics, budget)


def _find_versions() -> tuple[str, str, str]:
    """Returns the versions of hilir, TensorFlow and Python."""
    return version("hilir"), version("tensorflow"), platform.python_version()


def serve(options: ServeOptions, say: Say = print) -> None:
    """Run a server until it is stopped.

    Raises:
        ServingError: it cannot start.
    """
    import uvloop

    logging.getLogger("hilir.serving").setLevel(logging.INFO)
    # A thread that decodes JSON must not keep the loop from a socket for the default 5 ms.
    sys.setswitchinterval(0.001)

    async def main() -> None:
        await ModelServer(options, say).run()

    uvloop.run(main())
