"""A small, strict Vertex AI (and Cloud Storage) over REST, on loopback, for the real clients.

Bodies are parsed into the real protos, and what Vertex AI would refuse is refused with its status. Names come back with
the project's number, as Vertex AI gives them. A submitted job runs through the emulator; buckets are folders.
Routes after https://cloud.google.com/vertex-ai/docs/reference/rest and https://cloud.google.com/storage/docs/json_api.
"""

from __future__ import annotations

import inspect
import json
import re
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.contract.vertex.faults import ApiError, Fault, not_found
from tests.contract.vertex.jobs import OtherJobs, Pipelines, Schedules
from tests.contract.vertex.serving import Endpoints, Models
from tests.contract.vertex.store import Store, canonical

PARENT = r"(projects/[^/]+/locations/[^/]+)"
Handler = Callable[..., Any]


class Vertex:
    """The server: start it, point `vertex.endpoint` to `address`, look at `store` afterwards."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.store.buckets.mkdir(parents=True)
        self.pipelines = Pipelines(self.store)
        self.schedules = Schedules(self.store, self.pipelines)
        self.other, self.models, self.endpoints = OtherJobs(self.store), Models(self.store), Endpoints(self.store)
        self.routes = [(method, re.compile(pattern), handler) for method, pattern, handler in self._routes()]
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.http.server_address[1]}"
        Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        for running in self.pipelines.running.values():
            running.job.cancel.set()
        for running in self.pipelines.running.values():
            running.thread.join(20)
        self.http.shutdown()
        self.http.server_close()

    def _routes(self) -> list[tuple[str, str, Handler]]:
        p, s, o, m, e = self.pipelines, self.schedules, self.other, self.models, self.endpoints
        return [
            ("POST", rf"/v1/{PARENT}/pipelineJobs", p.create),
            ("GET", rf"/v1/{PARENT}/pipelineJobs", p.list),
            ("GET", rf"/v1/({PARENT[1:-1]}/pipelineJobs/[^/:]+)", p.get),
            ("POST", rf"/v1/({PARENT[1:-1]}/pipelineJobs/[^/:]+):cancel", p.cancel),
            ("POST", rf"/v1/{PARENT}/schedules", s.create),
            ("POST", rf"/v1beta1/{PARENT}/schedules", s.create_beta),
            ("GET", rf"/v1/{PARENT}/schedules", s.list),
            ("GET", rf"/v1beta1/{PARENT}/schedules", s.list_beta),
            ("GET", rf"/v1/({PARENT[1:-1]}/schedules/[^/:]+)", s.get),
            ("POST", rf"/v1/({PARENT[1:-1]}/schedules/[^/:]+):pause", s.pause),
            ("POST", rf"/v1/({PARENT[1:-1]}/schedules/[^/:]+):resume", s.resume),
            ("PATCH", rf"/v1/({PARENT[1:-1]}/schedules/[^/:]+)", s.update),
            ("PATCH", rf"/v1beta1/({PARENT[1:-1]}/schedules/[^/:]+)", s.update_beta),
            ("DELETE", rf"/v1/({PARENT[1:-1]}/schedules/[^/:]+)", s.delete),
            ("POST", rf"/v1/{PARENT}/models:upload", m.upload),
            ("GET", rf"/v1/{PARENT}/models", m.list),
            ("GET", rf"/v1/({PARENT[1:-1]}/models/[^/:]+)", m.get),
            ("GET", rf"/v1/({PARENT[1:-1]}/models/[^/:]+):listVersions", m.list_versions),
            ("POST", rf"/v1/({PARENT[1:-1]}/models/[^/:]+):mergeVersionAliases", m.merge_aliases),
            ("DELETE", rf"/v1/({PARENT[1:-1]}/models/[^/:]+):deleteVersion", m.delete_version),
            ("POST", rf"/v1/{PARENT}/endpoints", e.create),
            ("GET", rf"/v1/{PARENT}/endpoints", e.list),
            ("GET", rf"/v1/({PARENT[1:-1]}/endpoints/[^/:]+)", e.get),
            ("PATCH", rf"/v1/({PARENT[1:-1]}/endpoints/[^/:]+)", e.update),
            ("POST", rf"/v1/({PARENT[1:-1]}/endpoints/[^/:]+):deployModel", e.deploy),
            ("POST", rf"/v1/({PARENT[1:-1]}/endpoints/[^/:]+):undeployModel", e.undeploy),
            ("POST", rf"/v1/({PARENT[1:-1]}/endpoints/[^/:]+):predict", e.predict),
            ("POST", rf"/v1/{PARENT}/batchPredictionJobs", o.create_batch),
            ("GET", rf"/v1/{PARENT}/batchPredictionJobs", o.list_batch),
            ("GET", rf"/v1/({PARENT[1:-1]}/batchPredictionJobs/[^/:]+)", o.get_batch),
            ("POST", rf"/v1/{PARENT}/customJobs", o.create_custom),
            ("GET", rf"/v1/({PARENT[1:-1]}/customJobs/[^/:]+)", o.get_custom),
            ("POST", rf"/v1beta1/{PARENT}/modelMonitors", o.create_monitor),
            ("GET", rf"/v1beta1/({PARENT[1:-1]}/modelMonitors/[^/:]+)", o.get_monitor),
            ("PATCH", rf"/v1beta1/({PARENT[1:-1]}/modelMonitors/[^/:]+)", o.update_monitor),
            ("POST", rf"/v1beta1/({PARENT[1:-1]}/modelMonitors/[^/:]+)/modelMonitoringJobs", o.create_analysis),
            ("GET", rf"/v1beta1/({PARENT[1:-1]}/modelMonitors/[^/:]+/modelMonitoringJobs/[^/:]+)", o.get_analysis),
            # Over REST the client asks for operations below /ui, the first of the method's bindings.
            ("GET", r"/(?:v1|v1beta1|ui)/(projects/.+/operations/[^/:]+)", self._operation),
            ("GET", r"/(?:v1|v1beta1|ui)/(projects/.+)/operations", self._operations),
            ("GET", r"/storage/v1/b/([^/]+)", self._bucket),
            ("POST", r"/storage/v1/(b)", self._make_bucket),
            ("GET", r"/storage/v1/b/([^/]+)/iam", lambda name, query, body: {"bindings": []}),
            ("PUT", r"/storage/v1/b/([^/]+)/iam", lambda name, query, body: body),
            ("GET", r"/download/storage/v1/b/([^/]+/o/.+)", self._object),
        ]

    def answer(self, method: str, target: str, body: Any, fault: Fault | None) -> Any:
        """Returns what a request gets; raises ApiError for a refusal."""
        parts = urlsplit(target)
        path, query = unquote(parts.path), dict(parse_qsl(parts.query))
        with self.store.lock:
            self.store.requests.append((method, path, body))
            for verb, pattern, handler in self.routes:
                found = pattern.fullmatch(path)
                if verb == method and found:
                    extra = {"fault": fault} if "fault" in inspect.signature(handler).parameters else {}
                    return handler(found.group(1), query, body, **extra)
        raise ApiError(404, "NOT_FOUND", f"There is no method {method} {path}.")

    def _operation(self, name: str, query: Any, body: Any) -> Any:
        operation = self.store.operations.get(canonical(name))
        if operation is None:
            raise not_found(name)
        return operation.look()

    def _operations(self, name: str, query: Any, body: Any) -> Any:
        start = f"{canonical(name)}/operations/"
        found = [operation for key, operation in self.store.operations.items() if key.startswith(start)]
        return {"operations": [operation.answer or {"name": operation.name} for operation in found]}

    def _bucket(self, name: str, query: Any, body: Any) -> Any:
        if not (self.store.buckets / name).is_dir():
            raise ApiError(404, "notFound", "The specified bucket does not exist.")
        return {"kind": "storage#bucket", "name": name, "location": "EUROPE-WEST4"}

    def _make_bucket(self, name: str, query: Any, body: Any) -> Any:
        (self.store.buckets / body["name"]).mkdir()
        return self._bucket(body["name"], query, None)

    def _object(self, name: str, query: Any, body: Any) -> bytes:
        bucket, _, path = name.partition("/o/")
        file = self.store.buckets / bucket / path
        if not file.is_file():
            raise ApiError(404, "notFound", f"No such object: {bucket}/{path}")
        return file.read_bytes()


def _handler(vertex: Vertex) -> type[BaseHTTPRequestHandler]:
    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _respond(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            if "Authorization" in self.headers:
                self._send(500, {"error": {"code": 500, "message": "credentials were sent to an emulator"}})
                return
            path = unquote(urlsplit(self.path).path)
            fault = vertex.store.faults.take(self.command, path)
            if fault is not None and fault.kind == "drop before":
                self._drop()
                return
            try:
                if fault is not None and fault.kind == "status" and fault.error is not None:
                    raise fault.error
                body = json.loads(raw) if raw else None
                code, content = 200, vertex.answer(self.command, self.path, body, fault)
            except ApiError as error:
                code = error.code
                content = {"error": {"code": error.code, "message": error.message, "status": error.status}}
            if fault is not None and fault.kind == "drop after":
                self._drop()
            else:
                self._send(code, content)

        def _send(self, code: int, content: Any) -> None:
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _drop(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _respond

    return Requests
