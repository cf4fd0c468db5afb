"""The TFX executor of the ingest."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from itertools import islice
from typing import Any

from google.protobuf import struct_pb2
from tfx import types
from tfx.components.example_gen import utils
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils
from tfx.utils import proto_utils

from hilir.components.errors import IngestError
from hilir.components.example_gen import csv_reader, splits, tfrecord_reader


class Executor(base_beam_executor.BaseBeamExecutor):
    """Reads the files that the driver chose and writes the splits (TFX asks for a Beam executor; no Beam runs)."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes `examples`, one folder of gzipped TFRecords per split.

        Raises:
            IngestError: a file cannot be read as it should, or a split stays empty.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        inputs = proto_utils.json_to_proto(exec_properties["input_config"], example_gen_pb2.Input())
        outputs = proto_utils.json_to_proto(exec_properties["output_config"], example_gen_pb2.Output())
        options = read_options(exec_properties["custom_config"])
        artifact = artifact_utils.get_single_instance(output_dict["examples"])
        names = utils.generate_output_split_names(inputs, outputs)
        artifact.split_names = artifact_utils.encode_split_names(names)
        folders = {name: artifact_utils.get_split_uri([artifact], name) for name in names}
        base = exec_properties["input_base"]
        if outputs.split_config.splits:
            shares = {split.name: split.hash_buckets for split in outputs.split_config.splits}
            files = matching(base, inputs.splits[0].pattern)
            counts = splits.write_splits(_examples(files, options), shares, folders)
        else:
            counts = {
                split.name: splits.write_split(_examples(matching(base, split.pattern), options), folders[split.name])
                for split in inputs.splits
            }
        _refuse_empty(base, counts)
        artifact.set_string_custom_property("rows", json.dumps(counts))
        examples_utils.set_payload_format(artifact, exec_properties["output_data_format"])
        examples_utils.set_file_format(artifact, "tfrecords_gzip")


def make_options(format: str, columns: dict[str, str], rows: int | None = None) -> example_gen_pb2.CustomConfig:
    """Returns the custom configuration that tells the executor what to read, and about how many rows of it."""
    config = example_gen_pb2.CustomConfig()
    struct = struct_pb2.Struct()
    struct.update({"format": format, "columns": columns} | ({"rows": rows} if rows else {}))
    config.custom_config.Pack(struct)
    return config


def read_options(text: str) -> dict[str, Any]:
    """Returns what `make_options` wrote, from the JSON that TFX made of it."""
    config = proto_utils.json_to_proto(text, example_gen_pb2.CustomConfig())
    struct = struct_pb2.Struct()
    config.custom_config.Unpack(struct)
    found = {"format": struct["format"], "columns": dict(struct["columns"].items())}
    return found | ({"rows": int(struct["rows"])} if "rows" in struct else {})


def matching(base: str, pattern: str) -> list[str]:
    """Returns the files that match, sorted.

    Raises:
        IngestError: there are none.
    """
    files = sorted(path for path in fileio.glob(os.path.join(base, pattern)) if not fileio.isdir(path))
    if not files:
        raise IngestError(f"{base}: no file matches data.pattern '{pattern}'; fix data.path or data.pattern")
    return files


def _examples(files: list[str], options: dict[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    # Each file gives its part, since files often differ.
    rows = math.ceil(options["rows"] / len(files)) if "rows" in options else None
    for path in files:
        if options["format"] == "csv":
            yield from csv_reader.read_examples(path, options["columns"], rows)
        else:
            yield from islice(tfrecord_reader.read_examples(path), rows)


def _refuse_empty(base: str, counts: dict[str, int]) -> None:
    empty = [name for name, count in counts.items() if count == 0]
    if empty:
        raise IngestError(
            f"{base}: no row falls into the split {', '.join(empty)} (rows: {sum(counts.values())}); "
            f"give more rows or other data.splits"
        )
