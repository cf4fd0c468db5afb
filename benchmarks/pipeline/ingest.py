"""The ingest alone: ours in one process or several, and TFX's executor for the same form.

`python -m benchmarks.pipeline.ingest ours|multiprocess|stock csv|parquet DATA OUT` prints as JSON what it cost, without
the imports.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "1"

from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from hilir.components.processes import beam_workers

WORKERS = 2


def find_executor(side: str, form: str) -> Any:
    """Returns the class."""
    if side != "stock":
        from hilir.components.example_gen.executor import Executor

        return Executor
    if form == "csv":
        from tfx.components.example_gen.csv_example_gen.executor import Executor as Csv

        return Csv
    from tfx.components.example_gen.custom_executors.parquet_executor import Executor as Parquet

    return Parquet


def make_properties(side: str, form: str, data: Path) -> dict[str, Any]:
    """Returns the execution properties: two splits, 2 to 1."""
    inputs = example_gen_pb2.Input(splits=[example_gen_pb2.Input.Split(name="all", pattern=f"*.{form}")])
    shares = [example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=n) for name, n in (("train", 2), ("eval", 1))]
    outputs = example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=shares))
    properties = {
        "input_base": str(data),
        "input_config": proto_utils.proto_to_json(inputs),
        "output_config": proto_utils.proto_to_json(outputs),
        "output_data_format": example_gen_pb2.FORMAT_TF_EXAMPLE,
        "output_file_format": 0,
    }
    if side != "stock":
        from hilir.components.example_gen.executor import make_options
        from hilir.components.example_gen.settings import ReadSettings

        properties["custom_config"] = proto_utils.proto_to_json(make_options(ReadSettings(format="auto")))
    return properties


def main() -> None:
    side, form, data, out = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
    examples = standard_artifacts.Examples()
    examples.uri = str(out)
    options = {
        "ours": ["--runner=FnApiRunner", "--sdk_container_image=unused"],
        "multiprocess": beam_workers.list_options(WORKERS),
        "stock": ["--runner=DirectRunner", "--direct_running_mode=in_memory"],
    }[side]
    kind, properties = find_executor(side, form), make_properties(side, form, data)
    with beam_workers.forked_from_here() if side == "multiprocess" else nullcontext():
        context = kind.Context(beam_pipeline_args=options, tmp_dir=str(out / "tmp"), unique_id="1")
        before, began = count_processor_seconds(), time.monotonic()
        kind(context).Do({}, {"examples": [examples]}, properties)
        wall = time.monotonic() - began
    # The workers count when they have ended.
    cpu = count_processor_seconds() - before
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cost = {"wall": wall, "cpu": cpu, "memory": memory, "load": os.getloadavg()[0]}
    print(json.dumps(cost), flush=True)


def count_processor_seconds() -> float:
    """Returns those of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
