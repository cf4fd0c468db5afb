"""What a candidate is compared with."""

from __future__ import annotations

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.components.common.resolver import ResolverStrategy
from tfx.types import Artifact


class LatestPushedModelStrategy(ResolverStrategy):
    """Resolves the model of the last push, which is not the candidate itself.

    TFX's own strategy takes the latest blessed model. One that was blessed and not pushed (an export failed, the run
    was interrupted) serves nobody, and the blessing of a first run would change the input of the second run's
    Evaluator: an unchanged rerun would compare the model with itself and push it again. Here the unchanged rerun finds
    the same baseline as the run before, and all that depends on it stays cached.

    Its inputs are `model`, `pushed_model` and, where there is one already, `candidate`; all but `model` resolve to
    nothing. Which model a push was given is in the metadata store.
    """

    def resolve_artifacts(
        self, store: MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]] | None:
        """Returns the model, a list of one artifact or of none."""
        candidates = {artifact.id for artifact in input_dict.get("candidate", [])}
        models = {artifact.id: artifact for artifact in input_dict["model"] if artifact.id not in candidates}
        pushed = sorted(input_dict["pushed_model"], key=lambda artifact: artifact.id, reverse=True)
        found: list[Artifact] = []
        for push in pushed:
            if push.get_int_custom_property("pushed") != 1:
                continue
            found = [models[number] for number in _find_inputs(store, push.id, "model") if number in models]
            if found:
                break
        return {name: [] for name in input_dict} | {"model": found[:1]}


def _find_inputs(store: MetadataStore, artifact: int, name: str) -> list[int]:
    """Returns the ids of what the execution that made the artifact got as its input `name`."""
    made = [
        event.execution_id
        for event in store.get_events_by_artifact_ids([artifact])
        if event.type == metadata_store_pb2.Event.OUTPUT
    ]
    return [
        event.artifact_id
        for event in (store.get_events_by_execution_ids(made) if made else [])
        if event.type == metadata_store_pb2.Event.INPUT and event.path.steps[0].key == name
    ]
