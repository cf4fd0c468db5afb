"""The TFX component of the ingest."""

from __future__ import annotations

from collections.abc import Mapping

from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2

from hilir.components.example_gen.driver import Driver, make_range
from hilir.components.example_gen.executor import Executor, make_options
from hilir.components.example_gen.settings import ReadSettings


class ArrowExampleGen(FileBasedExampleGen):
    """Reads files as record batches; the driver resolves spans, versions and the fingerprint."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver


def make_example_gen(
    path: str,
    pattern: str,
    splits: Mapping[str, int | str],
    settings: ReadSettings,
    spans: tuple[int | None, int | None, int | None] = (None, None, None),
) -> ArrowExampleGen:
    """Returns the node.

    Args:
        path: folder of the files.
        pattern: which files; may hold {SPAN}, {VERSION} or {YYYY}{MM}{DD}.
        splits: shares of the rows by split name, or patterns of the files of each split.
        settings: how files are read.
        spans: how many of the newest spans to read, from which on, and up to which; None: no bound, the newest alone
            if there is none at all.
    """
    shares = {name: share for name, share in splits.items() if isinstance(share, int)}
    patterns = {name: files for name, files in splits.items() if isinstance(files, str)} or {"all": pattern}
    outputs = example_gen_pb2.Output(
        split_config=example_gen_pb2.SplitConfig(
            splits=[example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=share) for name, share in shares.items()]
        )
    )
    inputs = example_gen_pb2.Input(
        splits=[example_gen_pb2.Input.Split(name=name, pattern=files) for name, files in patterns.items()]
    )
    node: ArrowExampleGen = ArrowExampleGen(
        input_base=path,
        input_config=inputs,
        output_config=outputs,
        custom_config=make_options(settings),
        range_config=make_range(*spans),
    ).with_id("ExampleGen")
    return node
