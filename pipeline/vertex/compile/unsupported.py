"""Finds what TFX's compiler for Vertex AI cannot translate, before it fails with a message of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tfx.components.infra_validator.component import InfraValidator
from tfx.dsl.components.base import base_component, executor_spec
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import RESOLVER_CONFIG, RESOLVER_STRATEGY_CLASS, Resolver
from tfx.dsl.input_resolution.strategies import latest_artifact_strategy, latest_blessed_model_strategy
from tfx.orchestration.kubeflow.v2 import compiler_utils
from tfx.orchestration.pipeline import Pipeline
from tfx.types.channel import BaseChannel, Channel
from tfx.utils import deprecation_utils

_STRATEGIES = (
    latest_artifact_strategy.LatestArtifactStrategy,
    latest_blessed_model_strategy.LatestBlessedModelStrategy,
)
_TITLE = re.compile(r"[a-z][a-z0-9-_]{2,20}[.][A-Z][a-zA-Z0-9-_]{2,49}")


def check_nodes(pipeline: Pipeline) -> list[str]:
    """Returns one sentence per thing that cannot be compiled, with the alternative."""
    return [fault for node in pipeline.components for fault in _check(node)]


def _check(node: BaseNode) -> Iterator[str]:
    if isinstance(node, Pipeline):
        yield f"{node.id}: a pipeline inside the pipeline cannot run on Vertex AI; list its steps in the outer one"
        return
    if isinstance(node, InfraValidator):
        yield (
            f"{node.id}: InfraValidator cannot run on Vertex AI; leave it out and let the release check the model, "
            f"which asks each version its golden requests"
        )
    if isinstance(node, Resolver):
        yield from _resolver(node)
    for key, channel in node.inputs.items():
        if not isinstance(node, Resolver) and not isinstance(channel, Channel):
            yield (
                f"{node.id}, input {key}: comes from several steps at once; Vertex AI passes one artifact per input, "
                f"so let one step merge them"
            )
    for key, channel in [*node.inputs.items(), *node.outputs.items()]:
        yield from _artifact_type(f"{node.id}, {key}", channel)
    if isinstance(node, base_component.BaseComponent):
        yield from _executor(node)


def _resolver(node: Resolver) -> Iterator[str]:
    strategy = node.exec_properties.get(RESOLVER_STRATEGY_CLASS)
    if strategy is None or deprecation_utils.get_first_nondeprecated_class(strategy) not in _STRATEGIES:
        name = getattr(strategy, "__name__", "a resolver function")
        yield (
            f"{node.id}: {name} cannot run on Vertex AI, which has LatestArtifactStrategy and "
            f"LatestBlessedModelStrategy; choose older data inside the step that reads it"
        )
        return
    config = node.exec_properties.get(RESOLVER_CONFIG)
    if isinstance(config, dict) and config.get("desired_num_of_artifacts", 1) > 1:
        yield f"{node.id}: asks for {config['desired_num_of_artifacts']} artifacts; Vertex AI resolves one per input"


def _artifact_type(place: str, channel: BaseChannel) -> Iterator[str]:
    kind = channel.type
    if compiler_utils.get_artifact_title(kind) != "tfx.Artifact":
        return
    if not _TITLE.fullmatch(kind.TYPE_NAME):
        yield (
            f"{place}: the artifact type '{kind.TYPE_NAME}' is not of the form package.Class, which Vertex AI asks "
            f"for; export the class from the top-level package and set its TYPE_NAME to that path"
        )
    if kind.PROPERTIES:
        yield (
            f"{place}: the artifact type '{kind.TYPE_NAME}' declares properties ({', '.join(kind.PROPERTIES)}), which "
            f"Vertex AI takes of TFX's own types only; use custom properties"
        )


def _executor(node: base_component.BaseComponent) -> Iterator[str]:
    executor = node.executor_spec
    if isinstance(executor, executor_spec.ExecutorClassSpec) and executor.executor_class.__module__ == "__main__":
        yield (
            f"{node.id}: its executor is defined in the script that is running (__main__), which no container can "
            f"import; move it into a package that is in the image"
        )
