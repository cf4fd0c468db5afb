"""The nodes of a configuration's pipeline by name, without TFX, which takes seconds to import."""

from __future__ import annotations

from hilir.pipeline.config.schema import Config

NODES = (
    "ExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "LastPush",
    "ExampleValidator",
    "DataGate",
    "Transform",
    "Preflight",
    "Tuner",
    "Trainer",
    "LatestBlessed",
    "Evaluator",
    "TFLiteExporter",
    "TFJSExporter",
    "Pusher",
    "VertexPusher",
)
"""Those that there may be, in their order."""


def list_nodes(config: Config) -> list[str]:
    """Returns the names of the nodes that `hilir.pipeline.graph.build` makes, in its order."""
    wanted = {
        "Tuner": config.train.tune.enabled,
        "TFLiteExporter": bool(config.export.tflite.variants),
        "TFJSExporter": bool(config.export.tfjs.variants),
        "VertexPusher": config.vertex.push.enabled,
    }
    return [name for name in NODES if wanted.get(name, True)]


def check_name(config: Config) -> str:
    """Returns the name of the pipeline that `hilir run --check` runs."""
    return f"{config.model.name}-check"
