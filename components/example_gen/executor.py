"""The TFX executor of the ingest."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from google.protobuf import struct_pb2
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.components.example_gen import utils
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils
from tfx.utils import io_utils, proto_utils

from hilir.components.errors import IngestError
from hilir.components.example_gen.column_types import NOTHING, read_before
from hilir.components.example_gen.driver import read_patterns
from hilir.components.example_gen.ingest import Ingest, Ingested
from hilir.components.example_gen.settings import ReadSettings
from hilir.components.versions import find_newest_schema

REPORT = "ingest.json"
"""The file of the examples with the types of the columns, why they are so, and what the user should know."""


class Executor(base_beam_executor.BaseBeamExecutor):
    """Reads the files that the driver chose and writes the splits."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes `examples`, one folder of gzipped TFRecords per split, and `ingest.json` next to them.

        Raises:
            IngestError: a file cannot be read as it should, or a split stays empty.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        inputs = proto_utils.json_to_proto(exec_properties["input_config"], example_gen_pb2.Input())
        outputs = proto_utils.json_to_proto(exec_properties["output_config"], example_gen_pb2.Output())
        settings = read_options(exec_properties["custom_config"])
        artifact = artifact_utils.get_single_instance(output_dict["examples"])
        names = utils.generate_output_split_names(inputs, outputs)
        artifact.split_names = artifact_utils.encode_split_names(names)
        folders = {name: artifact_utils.get_split_uri([artifact], name) for name in names}
        base = exec_properties["input_base"]
        by_row = bool(outputs.split_config.splits)
        patterns = [(split.name, *each) for split in inputs.splits for each in read_patterns(split.pattern)]
        files = [(path, None if by_row else name) for name, _, pattern in patterns for path in matching(base, pattern)]
        last = find_newest_schema(settings.pushed)
        before = read_before(io_utils.parse_pbtxt_file(last, schema_pb2.Schema())) if last else NOTHING
        ingest = Ingest(settings, self._make_beam_pipeline, os.path.join(artifact.uri, ".ingest"), before)
        ingested = ingest.run(files, folders)
        _refuse_empty(base, ingested.rows, settings, by_row=by_row)
        _describe(artifact, ingested, sorted({span for _, span, _ in patterns if span is not None}))
        examples_utils.set_payload_format(artifact, exec_properties["output_data_format"])
        examples_utils.set_file_format(artifact, "tfrecords_gzip")


def make_options(settings: ReadSettings) -> example_gen_pb2.CustomConfig:
    """Returns the custom configuration that tells the executor how to read."""
    config = example_gen_pb2.CustomConfig()
    struct = struct_pb2.Struct()
    # As a string, since the numbers of a Struct are all floats.
    struct.update({"read": json.dumps(settings.model_dump(exclude_defaults=True, mode="json"))})
    config.custom_config.Pack(struct)
    return config


def read_options(text: str) -> ReadSettings:
    """Returns what `make_options` wrote, from the JSON that TFX made of it."""
    config = proto_utils.json_to_proto(text, example_gen_pb2.CustomConfig())
    struct = struct_pb2.Struct()
    config.custom_config.Unpack(struct)
    return ReadSettings.model_validate_json(str(struct["read"]))


def matching(base: str, pattern: str) -> list[str]:
    """Returns the files that match, sorted; hidden ones and markers such as _SUCCESS only if the pattern names them.

    Raises:
        IngestError: there are none.
    """
    hidden = os.path.basename(pattern).startswith((".", "_"))
    files = sorted(
        path
        for path in fileio.glob(os.path.join(base, pattern))
        if not fileio.isdir(path) and (hidden or not os.path.basename(path).startswith((".", "_")))
    )
    if not files:
        raise IngestError(f"{base}: no file matches data.pattern '{pattern}'; fix data.path or data.pattern")
    return files


def _describe(artifact: types.Artifact, ingested: Ingested, spans: list[int]) -> None:
    artifact.set_string_custom_property("rows", json.dumps(ingested.rows))
    if ingested.skipped:
        artifact.set_int_custom_property("skipped", ingested.skipped)
    span = int(artifact.get_custom_property("span") or 0)
    spans = spans or ([span] if span else [])
    if spans:
        artifact.set_string_custom_property("spans", json.dumps(spans))
    columns = {name: {"kind": column.kind, "why": column.why} for name, column in ingested.columns.items()}
    report = {"columns": columns, "notes": ingested.notes, "skipped": ingested.skipped, "spans": spans}
    with fileio.open(os.path.join(artifact.uri, REPORT), "wb") as file:
        file.write(json.dumps(report, indent=1).encode())


def _refuse_empty(base: str, counts: Mapping[str, int], settings: ReadSettings, *, by_row: bool) -> None:
    empty = [name for name, count in counts.items() if count == 0]
    if not empty:
        return
    rows = sum(counts.values())
    remedy = "give more rows or other data.splits"
    if by_row and settings.split.time is not None:
        remedy = "give another data.split.time, or more rows"
    elif by_row and settings.split.by:
        remedy = (
            "the columns data.split.by have too few different values: give more rows, other columns or other splits"
        )
    elif by_row and rows >= _MANY:
        patterns = ", ".join(f"{name}: '{name}*'" for name in counts)
        remedy = (
            "equal rows stay together, and the rows have too few different contents to be shared out: let them be on "
            "both sides (data.split.equal_rows: apart), split by a column with more values (data.split.by; data.drop "
            "may leave it out then), by time (data.split.time), "
            f"or give a file for each split (data.splits: {{{patterns}}})"
        )
    raise IngestError(f"{base}: no row falls into the split {', '.join(empty)} (rows: {rows}); {remedy}")


# So many rows fall into every split, unless most are equal.
_MANY = 100
