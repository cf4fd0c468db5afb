"""The nodes of a configuration's pipeline by name, without TFX, which takes seconds to import."""

from __future__ import annotations

from hilir.pipeline.config.schema import Config


def list_nodes(config: Config) -> list[str]:
    """Returns the names of the nodes that `hilir.pipeline.graph.build` makes, in its order."""
    wanted = {
        "ExampleGen": True,
        "StatisticsGen": True,
        "SchemaGen": True,
        "LastPush": True,
        "ExampleValidator": True,
        "DataGate": True,
        "Transform": True,
        "Preflight": True,
        "Tuner": config.train.tune.enabled,
        "Trainer": True,
        "LatestBlessed": True,
        "Evaluator": True,
        "TFLiteExporter": bool(config.export.tflite.variants),
        "TFJSExporter": bool(config.export.tfjs.variants),
        "Pusher": True,
        "VertexPusher": config.vertex.push.enabled,
    }
    return [name for name, is_wanted in wanted.items() if is_wanted]


def check_name(config: Config) -> str:
    """Returns the name of the pipeline that `hilir run --check` runs."""
    return f"{config.model.name}-check"
