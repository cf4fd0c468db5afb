"""Checks whether the engine that a configuration asks for can run its Beam pipelines."""

from __future__ import annotations

import os
import shutil
import socket

from hilir.pipeline.config.data_path import is_remote
from hilir.pipeline.config.schema import Config
from hilir.pipeline.engine.beam_options import count_workers, find_environment, find_flink_master, find_worker_program
from hilir.pipeline.report.finding import Finding

_SECONDS = 5


def check_engine(config: Config) -> Finding:
    """Finds what `beam.runner` names, and what it lacks; of a cluster, whether it can be reached."""
    what = f"beam.runner '{config.beam.runner}'"
    match config.beam.runner:
        case "local":
            return Finding(what, "Beam steps run in this process")
        case "multiprocess":
            workers = count_workers(config)
            if not hasattr(os, "fork"):
                return Finding(what, "this system cannot fork processes", "set beam.runner to local")
            return Finding(what, f"Beam steps run in {workers} forked process{'es' if workers > 1 else ''}")
        case "dataflow":
            return _dataflow(what, config)
        case "flink":
            return _flink(what, config)


def _dataflow(what: str, config: Config) -> Finding:
    vertex = config.vertex
    given = {"vertex.project": vertex.project, "vertex.bucket": vertex.bucket, "vertex.image": vertex.image}
    missing = [key for key, value in given.items() if value is None]
    if missing:
        return Finding(what, f"needs {', '.join(missing)}", "give them, see configs/overlays/vertex.yaml")
    places = {"pipeline.root": config.pipeline.root, "data.path": config.data.path}
    here = [key for key, value in places.items() if not is_remote(value)]
    if here:
        return Finding(what, f"its workers cannot read {' and '.join(here)} on this machine", "give gs://… paths")
    return Finding(what, f"up to {config.beam.workers or vertex.dataflow.max_workers} workers in {vertex.region}")


def _flink(what: str, config: Config) -> Finding:
    master, environment = find_flink_master(config), find_environment(config)
    if shutil.which("java") is None and "--flink_submit_uber_jar" not in config.beam.args:
        return Finding(what, "there is no Java, in which Beam's job server runs", "install Java 17")
    if master is None:
        return Finding(what, "a cluster that Beam starts in one process here; --flink_master=HOST:PORT names another")
    if environment == "PROCESS" and not find_worker_program().is_file():
        return Finding(what, f"there is no {find_worker_program()}, which task managers start", "install hilir again")
    address = master.rpartition("/")[2]
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _SECONDS):
            pass
    except (OSError, ValueError) as error:
        return Finding(what, f"nothing answers at {address}: {error}", "start the cluster, or set --flink_master")
    return Finding(what, f"the cluster at {address}, parallelism {count_workers(config)}, workers by {environment}")
