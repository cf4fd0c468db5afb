"""The TFX component of the ingest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.dsl.components.base.base_node import BaseNode
from tfx.proto import example_gen_pb2

from hilir.components.example_gen.driver import Driver, make_range
from hilir.components.example_gen.executor import Executor, make_options
from hilir.components.example_gen.settings import ReadSettings


class ArrowExampleGen(FileBasedExampleGen):
    """Reads files as record batches; the driver resolves spans, versions and the fingerprint."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver


@dataclass(frozen=True)
class Files:
    """Files to read.

    Attributes:
        path: their folder.
        pattern: which files there; may hold {SPAN}, {VERSION} or {YYYY}{MM}{DD}.
        spans: how many of the newest spans to read, from which on, and up to which; None: no bound, the newest alone
            if there is none at all.
    """

    path: str
    pattern: str
    spans: tuple[int | None, int | None, int | None] = (None, None, None)


def make_example_gen(source: Files | str, splits: Mapping[str, int | str], settings: ReadSettings) -> BaseNode:
    """Returns the node.

    Args:
        source: files, or a query for BigQuery, which TFX's own node reads on Vertex AI.
        splits: shares of the rows by split name, or patterns of the files of each split.
        settings: how files are read.
    """
    if isinstance(source, str):
        # It imports the client of BigQuery.
        from tfx.extensions.google_cloud_big_query.example_gen.component import BigQueryExampleGen

        query: BaseNode = BigQueryExampleGen(query=source, output_config=_shares(splits)).with_id("ExampleGen")
        return query
    patterns = {name: files for name, files in splits.items() if isinstance(files, str)} or {"all": source.pattern}
    inputs = example_gen_pb2.Input(
        splits=[example_gen_pb2.Input.Split(name=name, pattern=files) for name, files in patterns.items()]
    )
    node: BaseNode = ArrowExampleGen(
        input_base=source.path,
        input_config=inputs,
        output_config=_shares(splits),
        custom_config=make_options(settings),
        range_config=make_range(*source.spans),
    ).with_id("ExampleGen")
    return node


def _shares(splits: Mapping[str, int | str]) -> example_gen_pb2.Output:
    shares = {name: share for name, share in splits.items() if isinstance(share, int)}
    if not shares:
        # Even an empty list here would say that the ingest splits rows.
        return example_gen_pb2.Output()
    return example_gen_pb2.Output(
        split_config=example_gen_pb2.SplitConfig(
            splits=[example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=share) for name, share in shares.items()]
        )
    )
