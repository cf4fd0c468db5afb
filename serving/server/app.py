"""The whole server: put together, started, kept up to date, and stopped."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import ssl
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hilir.serving.errors import ServingConfigError, ServingStartError
from hilir.serving.sample import write_curl
from hilir.serving.server.grpc.grpc_core import CoreServer
from hilir.serving.server.grpc.grpc_server import AioServer, make_grpc_server
from hilir.serving.server.grpc.grpc_service import GrpcApi
from hilir.serving.server.inference.batch_options import BatchOptions, read_batch_options
from hilir.serving.server.inference.batcher import Batcher
from hilir.serving.server.inference.executor import Executor
from hilir.serving.server.options import LOOPBACK, ServeOptions
from hilir.serving.server.protos import MonitoringConfig, read_text_proto
from hilir.serving.server.rest.api import METRICS_PATH, RestApi, RestOptions
from hilir.serving.server.rest.http_message import HttpLimits
from hilir.serving.server.rest.http_server import HttpServer
from hilir.serving.server.security.tls import TlsConfig, http_context, read_tls_config
from hilir.serving.server.security.tokens import Tokens
from hilir.serving.server.servables.config_source import ConfigSource
from hilir.serving.server.servables.lifecycle import Lifecycle, LifecycleOptions
from hilir.serving.server.servables.loader import LoadOptions, load_servable, return_memory
from hilir.serving.server.servables.manager import ServerCore
from hilir.serving.server.servables.servable import Servable
from hilir.serving.server.status import StatusError
from hilir.serving.server.telemetry.metrics import Metrics
from hilir.serving.server.telemetry.request_log import LogOptions, NoLog, RequestLog
from hilir.serving.server.warmup import replay_warmup

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
        self.lifecycle = Lifecycle(self._load, return_memory, _lifecycle_options(options))
        project = options.serves_project
        self.core = ServerCore(
            self.lifecycle,
            labels_for_unavailable=options.allow_version_labels_for_unavailable_models or project,
            model_root=options.model_root or (options.root if project else None),
        )
        self.source = ConfigSource(options)
        self.tls: TlsConfig | None = read_tls_config(options.ssl_config_file) if options.ssl_config_file else None
        self.tokens = Tokens.read(options.tokens_file) if options.tokens_file else None
        self.batch_options = _batch_options(options)
        self.prometheus_path = _prometheus_path(options)
        self.ssl_context: ssl.SSLContext | None = None
        if options.rest_tls:
            if self.tls is None:
                raise ServingConfigError("--rest-tls needs --ssl_config_file.")
            self.ssl_context = http_context(self.tls)
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
        servable = load_servable(name, version, path, _load_options(options))
        try:
            if options.enable_model_warmup:
                replay_warmup(servable, max(options.num_request_iterations_for_warmup, 1), self.metrics)
        except BaseException:
            servable.close()
            raise
        return servable

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
        self.lifecycle.start()
        try:
            if not await self._load_models():
                return
            await self._serve(ready)
        finally:
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
        log = self._request_log()
        executor = Executor(loop, options.rest_api_num_threads or 2 * (os.cpu_count() or 1))
        if self.batch_options is not None:
            executor.batcher = Batcher(
                loop,
                executor.pool,
                self.batch_options,
                self.metrics,
                options.enable_per_model_batching_parameters,
            )
        rest = RestApi(self.core, executor, self.metrics, self._rest_options(), self.tokens, log)
        api = GrpcApi(
            self.core,
            executor,
            self.metrics,
            as_content=options.enable_serialization_as_tensor_content,
            check_method=options.enable_signature_method_name_check,
            max_in_flight=options.max_in_flight,
            log=log,
        )
        limits = HttpLimits(max_body=options.max_request_bytes, max_connections=options.max_connections)
        http = HttpServer(rest.handle, limits)
        grpc_server, addresses = make_grpc_server(
            api,
            options,
            self.tls,
            self.tokens,
            options.enable_grpc_healthcheck_service or options.serves_project,
        )
        listeners = await self._listen_http(http)
        await grpc_server.start()
        tasks = [loop.create_task(http.sweep()), loop.create_task(self._keep_up_to_date(log))]
        self._announce(addresses, listeners)
        if ready is not None:
            ready()
        await self.stopping.wait()
        rest.draining = True
        self.say("Stopping: finishing the requests in progress.")
        for task in tasks:
            task.cancel()
        await self._stop(listeners, http, grpc_server)
        await asyncio.to_thread(log.close)
        executor.close()

    async def _stop(self, listeners: list[asyncio.Server], http: HttpServer, server: CoreServer | AioServer) -> None:
        for listener in listeners:
            listener.close()
        seconds = self.options.drain_seconds
        await asyncio.gather(http.drain(seconds), server.stop(seconds))

    async def _listen_http(self, http: HttpServer) -> list[asyncio.Server]:
        port = self.options.rest_api_port
        listeners: list[asyncio.Server] = []
        if not port:
            return listeners
        loop = asyncio.get_running_loop()
        tls_timeouts: dict[str, Any] = {} if self.ssl_context is None else _TLS_TIMEOUTS
        for host in self.options.hosts:
            try:
                listener = await loop.create_server(
                    http.factory, host, port, backlog=1024, ssl=self.ssl_context, **tls_timeouts
                )
            except OSError as error:
                if host == "::1" and listeners:
                    continue
                raise ServingStartError(
                    f"Can't listen on {host}:{port} for REST: {error.strerror or error}. "
                    "Is another server running? Choose another --rest_api_port."
                ) from None
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
        else:
            self.source.applied()

    def _rest_options(self) -> RestOptions:
        options = self.options
        return RestOptions(
            timeout_seconds=options.rest_api_timeout_in_ms / 1000,
            cors=options.rest_api_enable_cors_support,
            prometheus_path=self.prometheus_path,
            max_in_flight=options.max_in_flight,
            check_method=options.enable_signature_method_name_check,
        )

    def _log_default(self, prefix: str, rate: float) -> LogOptions:
        options = self.options
        return LogOptions(prefix, rate, options.redact, options.request_log_max_bytes, options.request_log_max_files)

    def _log_options(self) -> dict[str, LogOptions]:
        return {
            model.name: self._log_default(model.logging.prefix, model.logging.rate)
            for model in self.lifecycle.models.values()
            if model.logging is not None
        }

    def _request_log(self) -> RequestLog | NoLog:
        prefix = self.options.request_log
        default = self._log_default(prefix, self.options.request_log_rate) if prefix else None
        return RequestLog(self._log_options(), default, self.metrics)


def _lifecycle_options(options: ServeOptions) -> LifecycleOptions:
    return LifecycleOptions(
        poll_seconds=options.file_system_poll_wait_seconds,
        load_threads=max(options.num_load_threads, 1),
        max_retries=options.max_num_load_retries,
        retry_seconds=options.load_retry_interval_micros / 1e6,
    )


def _load_options(options: ServeOptions) -> LoadOptions:
    both = options.tensorflow_session_parallelism
    return LoadOptions(
        tags=tuple(options.saved_model_tags.split(",")),
        intra_op_threads=options.tensorflow_intra_op_parallelism or both,
        inter_op_threads=options.tensorflow_inter_op_parallelism or both,
    )


def _batch_options(options: ServeOptions) -> BatchOptions | None:
    if not options.enable_batching:
        if options.batching_parameters_file:
            raise ServingConfigError(
                "--batching_parameters_file is set without --enable_batching. Add --enable_batching."
            )
        return None
    if options.batching_parameters_file:
        return read_batch_options(options.batching_parameters_file)
    return BatchOptions(thread_pool_name="model_server_batch_threads")


def _prometheus_path(options: ServeOptions) -> str | None:
    """TensorFlow Serving shows metrics only if told to; the project's own server always does."""
    if not options.monitoring_config_file:
        return METRICS_PATH if options.serves_project else None
    config: Any = read_text_proto(options.monitoring_config_file, MonitoringConfig())
    if not config.prometheus_config.enable:
        return None
    return str(config.prometheus_config.path) or METRICS_PATH


def serve(options: ServeOptions, say: Say = print) -> None:
    """Run a server until it is told to stop.

    Raises:
        ServingError: it cannot start.
    """
    import uvloop

    logging.getLogger("serving").setLevel(logging.INFO)
    # A thread that decodes JSON must not keep the loop from a socket for the default 5 ms.
    sys.setswitchinterval(0.001)

    async def main() -> None:
        await ModelServer(options, say).run()

    uvloop.run(main())
