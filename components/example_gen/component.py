"""The TFX component of the ingest."""

from __future__ import annotations

from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2

from hilir.components.example_gen.executor import Executor, make_options


class ArrowExampleGen(FileBasedExampleGen):
    """Reads CSV or TFRecord files; TFX's own driver resolves spans, versions and the fingerprint."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)


def make_example_gen(
    path: str,
    pattern: str,
    format: str,
    columns: dict[str, str],
    splits: dict[str, int],
    rows: int | None = None,
) -> ArrowExampleGen:
    """Returns the node.

    Args:
        path: folder of the files.
        pattern: which files; may hold {SPAN}, {VERSION} or {YYYY}{MM}{DD}.
        format: `csv` or `tfrecord`.
        columns: types of CSV columns where the values alone do not tell.
        splits: shares of the rows by split name.
        rows: about how many rows to take; None: all of them.
    """
    outputs = example_gen_pb2.Output(
        split_config=example_gen_pb2.SplitConfig(
            splits=[example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=share) for name, share in splits.items()]
        )
    )
    inputs = example_gen_pb2.Input(splits=[example_gen_pb2.Input.Split(name="all", pattern=pattern)])
    node: ArrowExampleGen = ArrowExampleGen(
        input_base=path,
        input_config=inputs,
        output_config=outputs,
        custom_config=make_options(format, columns, rows),
    ).with_id("ExampleGen")
    return node
